// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/board_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "jetcal/base/files.h"
#include "jetcal/board/assets.h"
#include "jetcal/board/report_files.h"
#include "jetcal/board/run_view.h"
#include "jetcal/board/web_request.h"
#include "jetcal/page/page_parts.h"
#include "jetcal/server/body_coding.h"
#include "jetcal/server/status_map.h"

namespace jetcal::board {
namespace {

using server::error_reply;
using server::HttpHead;
using server::HttpReply;

constexpr int kWorkers = 3;
constexpr std::size_t kMaxWaiting = 256;
constexpr std::size_t kMaxBodyBytes = 4096;
constexpr std::size_t kWorthPacking = 1024;
constexpr int kNotModified = 304, kForbidden = 403, kMethodNotAllowed = 405, kMisdirected = 421,
              kUnavailable = 503;
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// `shared`: also for documents without an origin, which reports are.
void add_headers(HttpReply& reply, std::string_view policy, bool shared = false) {
  reply.headers.push_back({"content-security-policy", std::string(policy)});
  reply.headers.push_back({"x-content-type-options", "nosniff"});
  reply.headers.push_back({"referrer-policy", "no-referrer"});
  reply.headers.push_back(
      {"cross-origin-resource-policy", shared ? "cross-origin" : "same-origin"});
  reply.headers.push_back({"cross-origin-opener-policy", "same-origin"});
  reply.headers.push_back({"cache-control", "no-cache"});
  reply.headers.push_back({"vary", "accept-encoding"});
}

// A browser that holds this content already is told so.
HttpReply tagged(const HttpHead& head, HttpReply reply) {
  const std::string tag = fmt::format("\"{:016x}\"", hash_bytes(reply.body));
  const std::string* known = head.find("if-none-match");
  if (known != nullptr && known->find(tag) != std::string::npos) {
    reply.status = kNotModified;
    reply.body.clear();
  }
  reply.headers.push_back({"etag", tag});
  return reply;
}

HttpReply file_reply(const HttpHead& head, std::string_view name, std::string_view bytes) {
  HttpReply reply;
  reply.content_type = content_type(name);
  reply.body = bytes;
  return tagged(head, std::move(reply));
}

HttpReply json_reply(const HttpHead& head, const Json& document) {
  HttpReply reply;
  reply.body = document.dump(-1, ' ', false, Json::error_handler_t::replace);
  return tagged(head, std::move(reply));
}

HttpReply asset_reply(const HttpHead& head, const std::string& name) {
  if (name == "echarts.min.js" && !page::chart_library().empty())
    return file_reply(head, name, page::chart_library());
  for (const Asset& asset : assets()) {
    if (asset.name == name) return file_reply(head, name, asset.bytes);
  }
  return error_reply(server::http_status(ErrorCode::NotFound), "there is no such page");
}

HttpReply change(Board& board, const HttpHead& head, const Target& target) {
  const auto& path = target.path;
  const bool cancels =
      path.size() == 5 && path[0] == "api" && path[1] == "runs" && path[4] == "cancel";
  if (!cancels) return error_reply(kMethodNotAllowed, "nothing can be sent to this address");
  if (!board.options().may_cancel)
    return error_reply(kForbidden,
                       "the board was started read-only; start it with --allow-cancel to cancel");
  if (!comes_from_board(head))
    return error_reply(kForbidden, "only a page of this board may cancel a run");
  cancel_run(*board.runs().run(board.find(Kind::Pipeline, path[2]).path, path[3]));
  return json_reply(head, {{"run", path[3]}, {"cancelled", true}});
}

// Reports were made by programs of their own: they are shown, but have no part in the board.
HttpReply report_reply(Board& board, const HttpHead& head, const Target& target) {
  const std::string name = target.path.size() > 2 ? target.path[2] : "index.html";
  const Found report = board.find(Kind::Report, target.path.at(1));
  HttpReply reply = file_reply(head, name, read_report_file(report.path, name));
  add_headers(reply, kReportPolicy, /*shared=*/true);
  return reply;
}

HttpReply answer(Board& board, const HttpHead& head) {
  if (!host_is_ours(head, board.options().names))
    return error_reply(kMisdirected, "this board does not have the name that was asked for");
  const Target target = parse_target(head);
  const std::vector<std::string>& path = target.path;
  if (head.method == "POST") return change(board, head, target);
  if (head.method != "GET" && head.method != "HEAD")
    return error_reply(kMethodNotAllowed, "only GET, HEAD and POST are answered");
  if (path.empty()) return asset_reply(head, "index.html");
  if (path.size() == 1 && path[0] == "favicon.ico") {  // browsers ask for it beside every report
    HttpReply icon = asset_reply(head, "icon.svg");
    add_headers(icon, kPagePolicy, /*shared=*/true);
    return icon;
  }
  if (path[0] == "api") return json_reply(head, answer_api(board, target));
  if (path[0] == "reports" && (path.size() == 2 || path.size() == 3))
    return report_reply(board, head, target);
  if (path.size() == 2 && path[0] == "assets") return asset_reply(head, path[1]);
  return error_reply(server::http_status(ErrorCode::NotFound), "there is no such page");
}

HttpReply answer_or_error(Board& board, const HttpHead& head) {
  try {
    return answer(board, head);
  } catch (const Error& error) {
    return error_reply(server::http_status(error.code()), error.what());
  } catch (const std::exception& error) {
    // A file that is half written or not ours.
    return error_reply(server::http_status(ErrorCode::DataLoss),
                       fmt::format("a file cannot be understood: {}", error.what()));
  }
}

}  // namespace

BoardService::BoardService(Board& board) : board_(board) {
  for (int i = 0; i < kWorkers; ++i) workers_.emplace_back([this] { work(); });
}

BoardService::~BoardService() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  filled_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

server::BodyPlan BoardService::plan_body(const HttpHead& /*head*/) { return {kMaxBodyBytes, 0}; }

void BoardService::handle(server::HttpRequest request, server::Responder responder) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() < kMaxWaiting && !stopping_) {
      jobs_.push_back({std::move(request), std::move(responder)});
      filled_.notify_one();
      return;
    }
  }
  responder.send(error_reply(kUnavailable, "the board has too much to do"));
}

void BoardService::work() {
  while (true) {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    if (job.responder.cancellation()->requested()) continue;
    const HttpHead& head = job.request.head;
    HttpReply reply = answer_or_error(board_, head);
    const bool has_policy = std::any_of(
        reply.headers.begin(), reply.headers.end(),
        [](const server::HttpHeader& one) { return one.name == "content-security-policy"; });
    if (!has_policy) add_headers(reply, kPagePolicy);
    if (reply.body.size() >= kWorthPacking && reply.content_type != "image/png")
      encode_reply(reply, server::accepted_coding(head));
    job.responder.send(std::move(reply));
  }
}

}  // namespace jetcal::board
