// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/client.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <thread>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/client/back_off.h"
#include "jetcal/client/detail/bearer_token.h"
#include "jetcal/client/detail/bounded_json.h"
#include "jetcal/client/detail/turns.h"
#include "jetcal/http/http_client.h"

namespace jetcal::client {
namespace {

using Clock = std::chrono::steady_clock;
using http::Answer;
using http::Failure;
using nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr long kGood = 200;
constexpr long kUnauthorized = 401;
constexpr std::size_t kMaxQuoted = 500;  // of a text that is not the protocol's

// What may be done again when it did not work.
enum class Repeat {
  Freely,  // after refusals and broken connections
  Unsent,  // only when nothing was sent
};

bool is_refusal(long status) { return status == 429 || status == 502 || status == 503; }

ErrorCode code_of(long status) {
  switch (status) {
    case kUnauthorized:
    case 403:
      return ErrorCode::FailedPrecondition;
    case 404:
      return ErrorCode::NotFound;
    case 408:
    case 504:
      return ErrorCode::DeadlineExceeded;
    case 501:
      return ErrorCode::Unimplemented;
    default:
      break;
  }
  if (is_refusal(status)) return ErrorCode::Unavailable;
  return status >= 400 && status < 500 ? ErrorCode::InvalidArgument : ErrorCode::Internal;
}

// The server's own text: the protocol's, or the first line of whatever a proxy sent.
std::string told(const Answer& outcome) {
  const ordered_json document = detail::parse_json(outcome.body);
  if (document.is_object()) {
    const auto error = document.find("error");
    if (error != document.end() && error->is_string()) return error->get<std::string>();
  }
  const std::string line = outcome.body.substr(0, outcome.body.find_first_of("\r\n"));
  return line.empty() ? "no text" : line.substr(0, kMaxQuoted);
}

std::string path_of(const std::string& model, const std::string& version, const char* rest = "") {
  const std::string path = "/v2/models/" + percent_encoded(model);
  return (version.empty() ? path : path + "/versions/" + percent_encoded(version)) + rest;
}

milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

http::Trust trust_of(const TlsOptions& tls) {
  return {tls.authority.string(), tls.certificate.string(), tls.key.string(), tls.verify};
}

std::string without_end_slashes(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

struct Client::Impl {
  explicit Impl(const ClientOptions& given)
      : options(given),
        base(without_end_slashes(given.url)),
        sender(stop_requested, trust_of(given.tls)),
        turns(given.connections),
        token(options),
        rng(options.retry.seed != 0
                ? options.retry.seed
                : static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())) {}

  const ClientOptions options;
  const std::string base;
  const http::Client sender;
  detail::Turns turns;
  detail::BearerToken token;
  std::mutex rng_mutex;
  Rng rng;
  std::atomic<std::int64_t> requests{0}, attempts{0}, refused{0}, broken{0}, paused_ms{0};

  http::Request request_for(const char* method, const std::string& path) const {
    http::Request request;
    request.method = method;
    request.url = base + path;
    request.connect_limit = options.connect_timeout;
    request.largest = options.max_reply_bytes;
    return request;
  }

  Answer send(http::Request& request, Clock::time_point end) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    request.limit = std::max(left, milliseconds(1));
    return sender.send(request);
  }

  Answer attempt(http::Request& request, Clock::time_point end) {
    const auto turn = turns.take(end);
    if (!turn)
      fail(ErrorCode::DeadlineExceeded, "none of the ", options.connections, " connections to ",
           options.url, " was free within ", options.deadline.count(), " ms");
    ++attempts;
    const std::string used = token.header();
    if (!used.empty()) request.headers.push_back(used);
    Answer answer = send(request, end);
    if (answer.failure == Failure::None && answer.status == kUnauthorized && token.renew(used)) {
      request.headers.back() = token.header();
      answer = send(request, end);
    }
    if (!used.empty()) request.headers.pop_back();
    return answer;
  }

  [[noreturn]] void give_up(const Answer& outcome, int tried, Clock::time_point begin) const {
    std::string often;
    if (tried > 1)
      often = "; asked " + std::to_string(tried) + " times in " +
              std::to_string(since(begin).count()) + " ms";
    const std::string& url = options.url;
    switch (outcome.failure) {
      case Failure::None:
        fail(code_of(outcome.status), "the server ", url, " refused (", outcome.status,
             "): ", told(outcome), often);
      case Failure::NotTrusted:
        fail(ErrorCode::FailedPrecondition, "no trust between us and the server ", url, ": ",
             outcome.reason);
      case Failure::TimedOut:
        fail(ErrorCode::DeadlineExceeded, "the server ", url, " has not answered within the ",
             options.deadline.count(), " ms of the deadline", often);
      case Failure::Malformed:
        fail(ErrorCode::DataLoss, "the server ", url,
             " does not speak the protocol: ", outcome.reason);
      case Failure::Stopped:
        fail(ErrorCode::Cancelled, "stopped by a signal while asking ", url);
      case Failure::NotConnected:
      case Failure::Broken:
      case Failure::Local:
        break;
    }
    fail(ErrorCode::Unavailable, "cannot ask the server ", url, ": ", outcome.reason, often);
  }

  // Waits before the next attempt; false when that would be after the deadline.
  bool pause(const Answer& outcome, int tried, Clock::time_point end) {
    std::optional<milliseconds> asked;
    if (outcome.retry_after.count() > 0) asked = outcome.retry_after;
    milliseconds length{0};
    {
      const std::lock_guard lock(rng_mutex);
      length = pause_after(options.retry, tried, asked, rng);
    }
    const Clock::time_point until = Clock::now() + length;
    if (until >= end) return false;
    constexpr milliseconds kLook{50};  // for a stop signal
    for (Clock::time_point now = Clock::now(); now < until; now = Clock::now()) {
      if (stop_requested())
        fail(ErrorCode::Cancelled, "stopped by a signal while waiting for ", options.url);
      std::this_thread::sleep_until(std::min(until, now + kLook));
    }
    paused_ms += length.count();
    return true;
  }

  // Returns a reply with status 200, or throws.
  Answer ask(http::Request request, Repeat repeat) {
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end = begin + options.deadline;
    ++requests;
    request.fresh = repeat == Repeat::Unsent;
    for (int tried = 1;; ++tried) {
      Answer outcome = attempt(request, end);
      if (outcome.failure == Failure::None && outcome.status == kGood) return outcome;
      const bool refusal = outcome.failure == Failure::None && is_refusal(outcome.status);
      if (refusal) ++refused;
      const bool unsent = outcome.failure == Failure::NotConnected;
      if (unsent || outcome.failure == Failure::Broken) ++broken;
      const bool again =
          unsent || (repeat == Repeat::Freely && (refusal || outcome.failure == Failure::Broken));
      if (!again || tried > options.retry.retries || !pause(outcome, tried, end))
        give_up(outcome, tried, begin);
    }
  }

  ordered_json document(const std::string& path, const ordered_json* body = nullptr,
                        Repeat repeat = Repeat::Freely) {
    const std::string text = body == nullptr ? std::string() : body->dump();
    http::Request request = request_for(body == nullptr ? "GET" : "POST", path);
    if (body != nullptr) {
      request.body = text;
      request.headers = {"Content-Type: application/json"};
    }
    const Answer outcome = ask(std::move(request), repeat);
    if (outcome.body.empty()) return ordered_json::object();  // Triton's, of load and unload
    ordered_json result = detail::parse_json(outcome.body);
    if (result.is_discarded())
      fail(ErrorCode::DataLoss, "the server ", options.url, " answers ", path,
           " with what is no JSON");
    return result;
  }

  bool is_ready(const std::string& path) {
    ++requests;
    http::Request request = request_for("GET", path);
    const Answer outcome = attempt(request, Clock::now() + options.deadline);
    if (outcome.failure != Failure::None || outcome.status == kUnauthorized ||
        outcome.status == 403)
      give_up(outcome, 1, Clock::now());
    return outcome.status == kGood;
  }
};

Client::Client(const ClientOptions& options) {
  validate(options);
  impl_ = std::make_unique<Impl>(options);
}

Client::~Client() = default;

const ClientOptions& Client::options() const noexcept { return impl_->options; }

ClientCounts Client::counts() const {
  return {impl_->requests, impl_->attempts, impl_->refused, impl_->broken, impl_->paused_ms};
}

bool Client::live() { return impl_->is_ready("/v2/health/live"); }

bool Client::ready() { return impl_->is_ready("/v2/health/ready"); }

bool Client::model_ready(const std::string& model, const std::string& version) {
  return impl_->is_ready(path_of(model, version, "/ready"));
}

ordered_json Client::server_metadata() { return impl_->document("/v2"); }

ordered_json Client::model_metadata(const std::string& model, const std::string& version) {
  return impl_->document(path_of(model, version));
}

ordered_json Client::model_config(const std::string& model, const std::string& version) {
  return impl_->document(path_of(model, version, "/config"));
}

ordered_json Client::statistics(const std::string& model, const std::string& version) {
  return impl_->document(model.empty() ? "/v2/models/stats" : path_of(model, version, "/stats"));
}

ordered_json Client::repository_index(bool ready_only) {
  const ordered_json body = {{"ready", ready_only}};
  return impl_->document("/v2/repository/index", &body);
}

void Client::load(const std::string& model, const ModelSource& source) {
  ordered_json parameters = ordered_json::object();
  if (!source.config_json.empty()) parameters["config"] = source.config_json;
  for (const auto& [path, contents] : source.files) parameters["file:" + path] = base64(contents);
  const ordered_json body = {{"parameters", parameters}};
  impl_->document("/v2/repository/models/" + percent_encoded(model) + "/load", &body,
                  Repeat::Unsent);
}

void Client::unload(const std::string& model) {
  const ordered_json body = ordered_json::object();
  impl_->document("/v2/repository/models/" + percent_encoded(model) + "/unload", &body,
                  Repeat::Unsent);
}

InferReply Client::infer(const InferRequest& request) {
  return infer(request.model, request.version, encode(request)).decode();
}

Client::RawReply Client::infer(const std::string& model, const std::string& version,
                               const EncodedRequest& encoded) {
  http::Request request = impl_->request_for("POST", path_of(model, version, "/infer"));
  request.body = encoded.body;
  request.headers = {"Content-Type: application/json"};  // which servers without the extension know
  if (encoded.json_length < encoded.body.size())
    request.headers = {"Content-Type: application/octet-stream",
                       "Inference-Header-Content-Length: " + std::to_string(encoded.json_length)};
  Answer outcome = impl_->ask(std::move(request), Repeat::Freely);
  return {std::move(outcome.body),
          parse_number<std::size_t>(outcome.header("inference-header-content-length"))};
}

}  // namespace jetcal::client
