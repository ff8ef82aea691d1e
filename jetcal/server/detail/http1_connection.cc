// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/http1_connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/log.h"

namespace jetcal::server::detail {
namespace {

constexpr std::size_t kInputBytes = std::size_t{16} << 10;
// One readable event takes at most this many receives, so that a fast sender starves nobody.
constexpr int kReceivesPerEvent = 16;
constexpr std::size_t kMaxReceive = std::size_t{1} << 20;
// After an error reply, input is read and dropped for a while: closing a socket with unread bytes
// resets it, and the client would lose the reply.
constexpr std::size_t kMaxSwallowed = std::size_t{256} << 20;
constexpr std::size_t kFirstChunkedBytes = 4096;
constexpr std::size_t kMaxHeaders = 128;
constexpr std::string_view kHttp2Opening = "PRI * ";

}  // namespace

struct Http1Connection::Callbacks {
  static Http1Connection& self(http_parser* parser) {
    return *static_cast<Http1Connection*>(parser->data);
  }

  static int on_url(http_parser* parser, const char* at, std::size_t length) {
    Http1Connection& connection = self(parser);
    connection.request_.head.target.append(at, length);
    return connection.add_header_bytes(length);
  }
  static int on_header_field(http_parser* parser, const char* at, std::size_t length) {
    Http1Connection& connection = self(parser);
    if (connection.head_done_) return connection.add_header_bytes(length);  // trailers are dropped
    auto& headers = connection.request_.head.headers;
    if (connection.in_header_value_ || headers.empty()) {
      if (headers.size() == kMaxHeaders)
        return connection.refuse(HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE,
                                 "the request has too many headers");
      headers.emplace_back();
      connection.in_header_value_ = false;
    }
    for (std::size_t i = 0; i < length; ++i) {
      const char c = at[i];
      headers.back().name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return connection.add_header_bytes(length);
  }
  static int on_header_value(http_parser* parser, const char* at, std::size_t length) {
    Http1Connection& connection = self(parser);
    if (!connection.head_done_) {
      connection.in_header_value_ = true;
      connection.request_.head.headers.back().value.append(at, length);
    }
    return connection.add_header_bytes(length);
  }
  static int on_headers_complete(http_parser* parser) { return self(parser).on_headers_complete(); }
  static int on_body(http_parser* parser, const char* at, std::size_t length) {
    Http1Connection& connection = self(parser);
    BodyBuffer& body = connection.request_.body;
    connection.body_bytes_ += length;
    if (connection.body_bytes_ > connection.max_body_)
      return connection.refuse(HTTP_STATUS_PAYLOAD_TOO_LARGE,
                               "the request body is larger than the limit of " +
                                   std::to_string(connection.max_body_) + " bytes");
    if (connection.early_reply_) return 0;
    if (at == body.free_space().data()) {
      body.advance(length);  // it was received there
      return 0;
    }
    try {
      body.append({at, length});
    } catch (const Error& error) {  // no exception may pass through the parser, which is C
      return connection.refuse(HTTP_STATUS_SERVICE_UNAVAILABLE, error.what());
    }
    return 0;
  }
  static int on_message_complete(http_parser* parser) {
    Http1Connection& connection = self(parser);
    connection.complete_ = true;
    connection.keep_alive_ = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
  }

  static http_parser_settings settings() {
    // Of the whole process: the limit of each server is told by add_header_bytes().
    http_parser_set_max_header_size(std::numeric_limits<std::uint32_t>::max());
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_header_field;
    settings.on_header_value = on_header_value;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
    return settings;
  }
};

Http1Connection::Http1Connection(std::unique_ptr<Transport> transport, std::uint64_t id,
                                 const ConnectionContext& context, Clock::time_point now)
    : Connection(std::move(transport), id, context),
      deadline_(now + context.options.idle_timeout),
      phase_begun_(now),
      input_(kInputBytes) {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

Http1Connection::~Http1Connection() { close(); }

void Http1Connection::close() noexcept {
  if (phase_ == Phase::Closed || phase_ == Phase::Switching) return;
  phase_ = Phase::Closed;
  if (cancelled_) cancelled_->request();
  transport_->close();
}

bool Http1Connection::reading_request() const noexcept {
  return phase_ == Phase::Idle || phase_ == Phase::Head || phase_ == Phase::Body;
}

bool Http1Connection::busy() const noexcept {
  return phase_ == Phase::Head || phase_ == Phase::Body || phase_ == Phase::Handling ||
         phase_ == Phase::Sending;
}

std::uint32_t Http1Connection::wanted_events() const noexcept {
  std::uint32_t events = 0;
  if (!input_ended_ && (phase_ == Phase::Lingering || end_ - begin_ < input_.size()))
    events |= EPOLLIN;
  if (phase_ == Phase::Sending) events |= EPOLLOUT;
  return events;
}

Clock::time_point Http1Connection::moving_deadline(std::size_t bytes) const {
  const double seconds =
      static_cast<double>(bytes) / static_cast<double>(context_.options.min_bytes_per_second);
  return phase_begun_ + context_.options.stall_timeout +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

void Http1Connection::on_readable(Clock::time_point now) {
  switch (phase_) {
    case Phase::Idle:
    case Phase::Head:
    case Phase::Body:
      read_more(now);
      return;
    case Phase::Handling:
    case Phase::Sending:
      receive();
      return;
    case Phase::Lingering:
      swallow();
      return;
    case Phase::Switching:
    case Phase::Closed:
      return;
  }
}

void Http1Connection::on_writable(Clock::time_point now) {
  if (phase_ == Phase::Sending) flush(now);
}

void Http1Connection::read_more(Clock::time_point now) {
  for (int i = 0; i < kReceivesPerEvent; ++i) {
    const bool whole_buffer = phase_ == Phase::Body && begin_ == end_ && !early_reply_ &&
                              (parser_.flags & F_CHUNKED) == 0;
    const bool more = whole_buffer ? receive_into_body(now) : receive();
    parse_input(now);
    if (!more || !reading_request()) return;
  }
}

bool Http1Connection::receive() {
  if (begin_ > 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == input_.size()) return false;
  const std::size_t room = input_.size() - end_;
  const IoResult got = transport_->receive({input_.data() + end_, room});
  switch (got.kind) {
    case IoResult::Kind::Moved:
      end_ += got.bytes;
      return got.bytes == room;
    case IoResult::Kind::Later:
      return false;
    case IoResult::Kind::Ended:
      peer_closed();
      return false;
    case IoResult::Kind::Broken:
      close();
      return false;
  }
  return false;
}

// A client that ends its side while a request is served has most likely given up: its request is
// marked as cancelled, and the reply is sent all the same in case it only half-closed.
void Http1Connection::peer_closed() {
  input_ended_ = true;
  if (phase_ == Phase::Handling) {
    cancelled_->request();
    return;
  }
  const bool unparsed = begin_ < end_;
  if (phase_ != Phase::Sending && !unparsed) close();
}

bool Http1Connection::receive_into_body(Clock::time_point now) {
  BodyBuffer& body = request_.body;
  const std::size_t missing = parser_.content_length;
  const std::span<char> room = body.free_space();
  const std::size_t wanted = std::min({missing, room.size(), kMaxReceive});
  const IoResult got = transport_->receive(room.first(wanted));
  if (got.kind == IoResult::Kind::Moved) {
    parse(room.data(), got.bytes, now);
    return got.bytes == wanted;
  }
  if (got.kind != IoResult::Kind::Later) close();
  return false;
}

void Http1Connection::swallow() {
  for (int i = 0; i < kReceivesPerEvent; ++i) {
    const IoResult got = transport_->receive(input_);
    if (got.kind == IoResult::Kind::Later) return;
    if (got.kind != IoResult::Kind::Moved) {
      close();
      return;
    }
    swallowed_ += got.bytes;
    if (swallowed_ > kMaxSwallowed) {
      close();
      return;
    }
  }
}

// Parses what lies in the input buffer, up to the end of one request.
void Http1Connection::parse_input(Clock::time_point now) {
  if (!reading_request()) return;
  // Some clients send a line end too many behind a body; it opens no request.
  while (phase_ == Phase::Idle && begin_ < end_ &&
         (input_[begin_] == '\r' || input_[begin_] == '\n'))
    ++begin_;
  if (looks_like_http2(now)) return;
  if (begin_ < end_) {
    const std::size_t used = parse(input_.data() + begin_, end_ - begin_, now);
    begin_ += std::min(used, end_ - begin_);
  }
  if (begin_ == end_) begin_ = end_ = 0;
  if (reading_request() && input_ended_) close();  // in the middle of a request, or between two
}

// A client that knows that we speak HTTP/2 opens with a line that no HTTP/1 request starts with.
bool Http1Connection::looks_like_http2(Clock::time_point now) {
  if (!first_request_ || phase_ != Phase::Idle || begin_ == end_) return false;
  const std::string_view got = first_bytes().substr(0, kHttp2Opening.size());
  if (!kHttp2Opening.starts_with(got)) return false;
  if (got.size() == kHttp2Opening.size()) {
    phase_ = Phase::Switching;
  } else if (input_ended_) {
    close();
  } else {
    deadline_ = std::min(deadline_, now + context_.options.head_timeout);
  }
  return true;
}

std::size_t Http1Connection::parse(const char* data, std::size_t size, Clock::time_point now) {
  static const http_parser_settings kSettings = Callbacks::settings();
  if (phase_ == Phase::Idle) begin_request(now);
  const std::size_t used = http_parser_execute(&parser_, &kSettings, data, size);
  if (phase_ == Phase::Head && head_done_) {
    phase_ = Phase::Body;
    phase_begun_ = now;
  }
  if (phase_ == Phase::Body) deadline_ = moving_deadline(body_bytes_);
  if (complete_) {
    hand_over();
    return used;
  }
  const auto error = HTTP_PARSER_ERRNO(&parser_);
  if (error == HPE_OK && !refusal_) return used;
  if (!refusal_)
    refuse(HTTP_STATUS_BAD_REQUEST,
           std::string("malformed HTTP request: ") + http_errno_description(error));
  refuse_request(now);
  return used;
}

void Http1Connection::begin_request(Clock::time_point now) {
  phase_ = Phase::Head;
  first_request_ = false;
  phase_begun_ = now;
  deadline_ = now + context_.options.head_timeout;
  request_ = {};
  header_bytes_ = body_bytes_ = 0;
  in_header_value_ = head_done_ = complete_ = false;
  refusal_.reset();
  early_reply_.reset();
}

int Http1Connection::add_header_bytes(std::size_t count) {
  header_bytes_ += count;
  if (header_bytes_ <= context_.options.max_header_bytes) return 0;
  return refuse(HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request headers are larger than the limit of " +
                    std::to_string(context_.options.max_header_bytes) + " bytes");
}

// Ends parsing with an error of ours; returns what a parser callback returns.
int Http1Connection::refuse(int status, std::string_view text) {
  refusal_ = error_reply(status, text);
  return -1;
}

int Http1Connection::on_headers_complete() {
  head_done_ = true;
  parser_.upgrade = 0;  // an offer to change the protocol may be ignored
  HttpHead& head = request_.head;
  head.method = http_method_str(static_cast<http_method>(parser_.method));
  if (parser_.http_major != 1)
    return refuse(HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1 are served");
  if (parser_.http_minor > 0 && head.find("host") == nullptr)
    return refuse(HTTP_STATUS_BAD_REQUEST, "an HTTP/1.1 request needs a Host header");
  if (context_.tokens != nullptr) {
    if (const auto reason = context_.tokens->refusal(head)) {
      refusal_ = unauthorized_reply(*reason);
      return -1;
    }
  }
  BodyPlan plan = context_.handler.plan_body(head);
  max_body_ = plan.max_bytes;
  const bool chunked = (parser_.flags & F_CHUNKED) != 0;
  const bool sized = (parser_.flags & F_CONTENTLENGTH) != 0;
  if (sized && parser_.content_length > plan.max_bytes)
    return refuse(HTTP_STATUS_PAYLOAD_TOO_LARGE,
                  "the request body of " + std::to_string(parser_.content_length) +
                      " bytes is larger than the limit of " + std::to_string(plan.max_bytes));
  const std::size_t expected = sized ? parser_.content_length : 0;
  const std::string* const expect = head.find("expect");
  if (expect != nullptr && *expect != "100-continue" && *expect != "100-Continue")
    return refuse(HTTP_STATUS_EXPECTATION_FAILED, "the only expectation met is 100-continue");
  if (plan.reply) {
    // A client that waits for leave may send its body or not: only the end of the connection makes
    // clear where its next request begins.
    std::optional<HttpReply>& when = expect == nullptr ? early_reply_ : refusal_;
    when = std::move(plan.reply);
    return expect == nullptr ? 0 : -1;
  }
  try {
    // Pages are not touched before bytes arrive, so the whole length may be asked for at once.
    request_.body.reserve(chunked ? kFirstChunkedBytes : expected, plan.align_at);
  } catch (const Error& error) {
    return refuse(HTTP_STATUS_SERVICE_UNAVAILABLE, error.what());
  }
  if (expect != nullptr && (expected > 0 || chunked)) send_interim("HTTP/1.1 100 Continue\r\n\r\n");
  return 0;
}

void Http1Connection::hand_over() {
  http_parser_pause(&parser_, 0);
  complete_ = false;
  phase_ = Phase::Handling;
  deadline_ = Clock::time_point::max();
  context_.counters.requests.fetch_add(1, std::memory_order_relaxed);
  cancelled_ = std::make_shared<Cancellation>();
  Responder responder(context_.mailbox, id_, 0, cancelled_);
  if (early_reply_) {
    responder.send(*std::exchange(early_reply_, std::nullopt));
    return;
  }
  try {
    context_.handler.handle(std::move(request_), std::move(responder));
  } catch (const std::exception& error) {
    // The responder has answered 500 when it was destroyed.
    spdlog::error("unexpected failure in a request handler: {}", error.what());
  }
}

void Http1Connection::refuse_request(Clock::time_point now) {
  auto& counters = context_.counters;
  auto& counter =
      refusal_->status == HTTP_STATUS_UNAUTHORIZED ? counters.unauthorized : counters.bad_requests;
  counter.fetch_add(1, std::memory_order_relaxed);
  keep_alive_ = false;
  begin_ = end_ = 0;
  queue_reply(std::move(*refusal_), now);
}

void Http1Connection::deliver(Letter letter, Clock::time_point now) {
  if (phase_ == Phase::Handling) queue_reply(std::get<HttpReply>(std::move(letter.content)), now);
}

void Http1Connection::check_deadline(Clock::time_point now) {
  if (phase_ == Phase::Closed || now < deadline_) return;
  if (busy()) context_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
  if (phase_ == Phase::Head || phase_ == Phase::Body) {
    refuse(HTTP_STATUS_REQUEST_TIMEOUT, "the request came too slowly");
    refuse_request(now);
    return;
  }
  close();
}

}  // namespace jetcal::server::detail
