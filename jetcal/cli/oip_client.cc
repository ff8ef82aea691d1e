// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/oip_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/engine/padded_batch.h"

namespace jetcal::cli {
namespace {

using nlohmann::json;

constexpr long kConnectSeconds = 10;
constexpr long kRequestSeconds = 600;
constexpr int kAttempts = 5;
constexpr std::chrono::milliseconds kFirstPause{100};  // 1.5 s of pauses in all
constexpr std::string_view kLengthHeader = "inference-header-content-length:";
constexpr std::string_view kModeParameter = "jetcal_input_mode";
constexpr std::string_view kFeaturesParameter = "jetcal_features";
constexpr std::string_view kTargetParameter = "jetcal_target";
constexpr std::string_view kOutputName = "output";
constexpr std::string_view kResolutionName = "resolution";

struct HeaderList {
  curl_slist* list = nullptr;
  void add(const std::string& line) { list = ::curl_slist_append(list, line.c_str()); }
  HeaderList() = default;
  ~HeaderList() { ::curl_slist_free_all(list); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
};

struct Answer {
  long status = 0;
  std::string body;
  std::optional<std::size_t> json_length;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* answer) {
  static_cast<Answer*>(answer)->body.append(data, size);
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* answer) {
  std::string line(data, size);
  std::transform(line.begin(), line.end(), line.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (line.starts_with(kLengthHeader)) {
    const std::size_t begin = line.find_first_not_of(" \t", kLengthHeader.size());
    std::size_t length = 0;
    if (begin != std::string::npos &&
        std::from_chars(line.data() + begin, line.data() + line.size(), length).ec == std::errc())
      static_cast<Answer*>(answer)->json_length = length;
  }
  return size;
}

ErrorCode code_of(long status) {
  if (status == 404) return ErrorCode::NotFound;
  if (status == 503 || status == 502) return ErrorCode::Unavailable;
  if (status == 504) return ErrorCode::DeadlineExceeded;
  return status >= 400 && status < 500 ? ErrorCode::InvalidArgument : ErrorCode::Internal;
}

json parse_json(std::string_view text, const std::string& from) {
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded() || !document.is_object())
    fail(ErrorCode::DataLoss, "the answer of ", from, " is not a JSON object");
  return document;
}

// Looks for an output among the binary tensors of an answer.
void read_output(const Answer& answer, const std::string& from, std::string_view name,
                 std::span<float> y) {
  const std::size_t json_length = answer.json_length.value_or(answer.body.size());
  if (json_length > answer.body.size())
    fail(ErrorCode::DataLoss, "the answer of ", from, " is shorter than its header says");
  const json document = parse_json(std::string_view(answer.body).substr(0, json_length), from);
  std::size_t at = json_length;
  for (const json& output : document.value("outputs", json::array())) {
    const std::size_t size =
        output.value("parameters", json::object()).value("binary_data_size", std::size_t{0});
    if (size > answer.body.size() - at)
      fail(ErrorCode::DataLoss, "the answer of ", from, " ends inside a tensor");
    if (output.value("name", "") == name) {
      if (output.value("datatype", "") != "FP32" || size != y.size_bytes())
        fail(ErrorCode::DataLoss, "the answer of ", from, " holds ", size, " bytes of ",
             output.value("datatype", "nothing"), ", expected ", y.size_bytes(), " of FP32");
      std::memcpy(y.data(), answer.body.data() + at, size);
      return;
    }
    at += size;
  }
  fail(ErrorCode::DataLoss, "the answer of ", from, " has no tensor '", name, "'");
}

std::string request_body(const std::vector<engine::Tensor>& tensors, bool with_resolution,
                         std::size_t& json_length) {
  json inputs = json::array();
  std::size_t total = 0;
  for (const engine::Tensor& tensor : tensors) {
    inputs.push_back({{"name", tensor.name},
                      {"datatype", engine::data_type_name(tensor.type)},
                      {"shape", tensor.shape},
                      {"parameters", {{"binary_data_size", tensor.data.size()}}}});
    total += tensor.data.size();
  }
  json outputs = {{{"name", kOutputName}, {"parameters", {{"binary_data", true}}}}};
  if (with_resolution)
    outputs.push_back({{"name", kResolutionName}, {"parameters", {{"binary_data", true}}}});
  std::string body = json{{"inputs", inputs}, {"outputs", outputs}}.dump();
  json_length = body.size();
  body.reserve(json_length + total);
  for (const engine::Tensor& tensor : tensors)
    body.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
  return body;
}

}  // namespace

struct OipClient::Impl {
  CURL* handle = nullptr;
  std::string base;

  std::string escape(const std::string& text) const {
    char* const escaped = ::curl_easy_escape(handle, text.c_str(), static_cast<int>(text.size()));
    std::string result = escaped == nullptr ? text : escaped;
    ::curl_free(escaped);
    return result;
  }

  std::string model_path(const std::string& model, const std::string& version) const {
    const std::string path = "/v2/models/" + escape(model);
    return version.empty() ? path : path + "/versions/" + escape(version);
  }

  // Asks again, after a pause that grows, while the server says that it is busy or cannot be
  // reached.
  Answer ask(const std::string& path, const std::string* body, std::size_t json_length) const {
    std::chrono::milliseconds pause = kFirstPause;
    for (int attempt = 1;; ++attempt) {
      try {
        return ask_once(path, body, json_length);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::Unavailable || attempt == kAttempts) throw;
      }
      std::this_thread::sleep_for(pause);
      pause *= 2;
    }
  }

  // Sends a GET, or a POST when there is a body; throws for every status but 200.
  Answer ask_once(const std::string& path, const std::string* body, std::size_t json_length) const {
    const std::string url = base + path;
    Answer answer;
    HeaderList headers;
    ::curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
    ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer);
    ::curl_easy_setopt(handle, CURLOPT_HEADERDATA, &answer);
    if (body == nullptr) {
      ::curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    } else {
      headers.add("Content-Type: application/octet-stream");
      headers.add("Inference-Header-Content-Length: " + std::to_string(json_length));
      headers.add("Expect:");  // no round trip before the body
      ::curl_easy_setopt(handle, CURLOPT_POST, 1L);
      ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body->data());
      ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(body->size()));
    }
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.list);
    const CURLcode code = ::curl_easy_perform(handle);
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, nullptr);
    if (code != CURLE_OK)
      fail(code == CURLE_OPERATION_TIMEDOUT ? ErrorCode::DeadlineExceeded : ErrorCode::Unavailable,
           "cannot ask the server ", base, ": ", ::curl_easy_strerror(code));
    ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
    if (answer.status == 200) return answer;
    const json document = json::parse(answer.body, nullptr, false);
    const std::string text = document.is_object() && document["error"].is_string()
                                 ? document["error"].get<std::string>()
                                 : "status " + std::to_string(answer.status);
    fail(code_of(answer.status), "the server ", base, " refused: ", text);
  }
};

OipClient::OipClient(const std::string& url) : impl_(std::make_unique<Impl>()) {
  if (!url.starts_with("http://") && !url.starts_with("https://"))
    fail(ErrorCode::InvalidArgument, "the url must be http://host:port or https://host:port, not '",
         url, "'");
  impl_->base = url.ends_with('/') ? url.substr(0, url.size() - 1) : url;
  impl_->handle = ::curl_easy_init();
  if (impl_->handle == nullptr) fail(ErrorCode::Internal, "libcurl cannot be set up");
  CURL* const handle = impl_->handle;
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  ::curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  ::curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT, kRequestSeconds);
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  // A server on this machine is not asked through a proxy.
  const std::string_view host = std::string_view(impl_->base).substr(impl_->base.find("//") + 2);
  if (host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]"))
    ::curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
}

OipClient::~OipClient() { ::curl_easy_cleanup(impl_->handle); }

ServedNetwork OipClient::describe(const std::string& model, const std::string& version) {
  ServedNetwork served{model, version, models::Network::Pfn, std::nullopt, {}, false};
  const std::string path = impl_->model_path(model, version);
  const json metadata = parse_json(impl_->ask(path, nullptr, 0).body, impl_->base);
  const json versions = metadata.value("versions", json::array());
  // The version is fixed now, so that one file is corrected by one network.
  if (version.empty() && !versions.empty() && versions.back().is_string())
    served.version = versions.back().get<std::string>();
  const auto names = [&metadata](const char* kind) {
    std::vector<std::string> list;
    for (const json& tensor : metadata.value(kind, json::array()))
      list.push_back(tensor.value("name", ""));
    std::sort(list.begin(), list.end());
    return list;
  };
  bool known = false;
  for (const models::Network network : {models::Network::Pfn, models::Network::ParticleNet}) {
    std::vector<std::string> wanted;
    for (const engine::TensorSpec& spec : engine::network_inputs(network))
      wanted.push_back(spec.name);
    std::sort(wanted.begin(), wanted.end());
    if (names("inputs") != wanted) continue;
    served.network = network;
    known = true;
  }
  const std::vector<std::string> outputs = names("outputs");
  served.with_resolution =
      outputs == std::vector{std::string(kOutputName), std::string(kResolutionName)};
  if (!known || (outputs != std::vector{std::string(kOutputName)} && !served.with_resolution))
    fail(ErrorCode::InvalidArgument, "model '", model, "' of ", impl_->base,
         " is no jet correction: its tensors have other names");
  const std::string config_path = impl_->model_path(model, served.version) + "/config";
  const json config = parse_json(impl_->ask(config_path, nullptr, 0).body, impl_->base);
  const json parameters = config.value("parameters", json::object());
  const auto text = [&parameters](std::string_view name) {
    return parameters.value(name, json::object()).value("string_value", json());
  };
  const json mode = text(kModeParameter);
  const json features = text(kFeaturesParameter);
  const json target = text(kTargetParameter);
  if (features.is_string())
    served.inputs.features = edm::parse_feature_set(features.get<std::string>());
  if (target.is_string()) served.inputs.reference = edm::parse_reference(target.get<std::string>());
  if (mode.is_string()) served.mode = edm::parse_input_mode(mode.get<std::string>());
  return served;
}

void OipClient::predict(const ServedNetwork& network, const edm::FeatureView& features,
                        std::span<float> y, std::span<float> resolution) {
  std::int64_t longest = 1;
  for (std::int64_t j = 0; j < features.num_jets(); ++j)
    longest = std::max(longest, features.offsets[j + 1] - features.offsets[j]);
  std::size_t json_length = 0;
  const std::string body = request_body(engine::pad(features, longest, network.network),
                                        !resolution.empty(), json_length);
  const std::string path = impl_->model_path(network.name, network.version) + "/infer";
  const Answer answer = impl_->ask(path, &body, json_length);
  read_output(answer, impl_->base, kOutputName, y);
  if (!resolution.empty()) read_output(answer, impl_->base, kResolutionName, resolution);
}

}  // namespace jetcal::cli
