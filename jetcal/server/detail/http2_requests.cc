// SPDX-License-Identifier: Apache-2.0
// The part of Http2Connection that knows requests and replies: HTTP above, or gRPC.
#include <algorithm>
#include <array>
#include <charconv>

#include "jetcal/base/error.h"
#include "jetcal/base/log.h"
#include "jetcal/server/detail/http2_callbacks.h"
#include "jetcal/server/status_map.h"

namespace jetcal::server::detail {
namespace {

constexpr int kHeadersTooLarge = 431;
constexpr int kPayloadTooLarge = 413;
constexpr int kUnavailable = 503;
constexpr std::size_t kFirstBodyBytes = 4096;

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
          value.size(), NGHTTP2_NV_FLAG_NONE};
}

std::string lower_case(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::string number_text(GrpcCode code) { return std::to_string(static_cast<int>(code)); }

}  // namespace

void Http2Connection::refuse(Http2Stream& stream, int status, GrpcCode code,
                             std::string_view text) {
  stream.refused = true;
  if (stream.reply_done) return;
  stream.cancellation->request();
  if (stream.grpc) {
    submit_grpc(stream, {std::nullopt, GrpcStatus{code, std::string(text)}});
  } else {
    submit_http(stream, error_reply(status, text));
  }
}

void Http2Connection::refuse_stranger(Http2Stream& stream, const std::string& reason) {
  context_.counters.unauthorized.fetch_add(1, std::memory_order_relaxed);
  if (stream.grpc) {
    refuse(stream, 0, GrpcCode::Unauthenticated, reason);
    return;
  }
  stream.refused = true;
  submit_http(stream, unauthorized_reply(reason));
}

void Http2Connection::headers_done(Http2Stream& stream, bool crowded) {
  const HttpHead& head = stream.request.head;
  stream.is_head = head.method == "HEAD";
  const std::string* const type = head.find("content-type");
  stream.grpc = type != nullptr && type->starts_with("application/grpc");
  if (crowded || stream.header_bytes > context_.options.max_header_bytes) {
    context_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
    refuse(stream, kHeadersTooLarge, GrpcCode::ResourceExhausted,
           "the request headers are larger than the limit of " +
               std::to_string(context_.options.max_header_bytes) + " bytes");
    return;
  }
  if (context_.tokens != nullptr) {
    if (const auto reason = context_.tokens->refusal(head)) {
      refuse_stranger(stream, *reason);
      return;
    }
  }
  if (stream.grpc) {
    start_grpc(stream);
  } else {
    start_http(stream);
  }
}

void Http2Connection::start_http(Http2Stream& stream) {
  const HttpHead& head = stream.request.head;
  BodyPlan plan = context_.handler.plan_body(head);
  stream.body_limit = plan.max_bytes;
  std::size_t expected = kFirstBodyBytes;
  if (const std::string* length = head.find("content-length")) {
    std::uint64_t bytes = 0;
    std::from_chars(length->data(), length->data() + length->size(), bytes);  // nghttp2 checks it
    if (bytes > plan.max_bytes) {
      context_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
      refuse(stream, kPayloadTooLarge, GrpcCode::ResourceExhausted,
             "the request body of " + std::to_string(bytes) +
                 " bytes is larger than the limit of " + std::to_string(plan.max_bytes));
      return;
    }
    expected = bytes;
  }
  if (plan.reply) {
    context_.counters.requests.fetch_add(1, std::memory_order_relaxed);
    stream.refused = true;
    submit_http(stream, *std::move(plan.reply));
    return;
  }
  try {
    stream.request.body.reserve(expected, plan.align_at);
  } catch (const Error& error) {
    refuse(stream, kUnavailable, GrpcCode::ResourceExhausted, error.what());
  }
}

void Http2Connection::start_grpc(Http2Stream& stream) {
  stream.context.head = std::move(stream.request.head);
  const HttpHead& head = stream.context.head;
  const auto refuse_call = [&](GrpcCode code, const std::string& text) {
    refuse(stream, 0, code, text);
  };
  const GrpcServices* const services = context_.grpc;
  const std::string path(head.path());
  stream.method = services == nullptr ? nullptr : services->find(path);
  if (stream.method == nullptr || head.method != "POST") {
    const bool service = services != nullptr && services->knows_service(path);
    refuse_call(GrpcCode::Unimplemented,
                (service ? "unknown method " : "unknown service of method ") + path);
    return;
  }
  const std::optional<BodyCoding> coding = grpc_coding(head);
  if (!coding) {
    refuse_call(GrpcCode::Unimplemented, "grpc-encoding must be gzip, deflate or identity");
    return;
  }
  if (*coding != BodyCoding::Identity && grpc_accepts(head, *coding)) stream.coding = *coding;
  if (const std::string* timeout = head.find("grpc-timeout")) {
    const auto duration = parse_grpc_timeout(*timeout);
    if (!duration) {
      refuse_call(GrpcCode::InvalidArgument, "the header grpc-timeout is malformed: " + *timeout);
      return;
    }
    stream.context.deadline = now_ + *duration;
    expect_deadline(*stream.context.deadline);
  }
  stream.messages = GrpcMessageReader(*coding, services->max_message_bytes());
  context_.counters.grpc_calls.fetch_add(1, std::memory_order_relaxed);
  if (!stream.method->stream) return;
  run_grpc(stream, [&] {
    stream.reader = stream.method->stream(
        stream.context, GrpcResponder(context_.mailbox, id_, static_cast<std::uint32_t>(stream.id),
                                      stream.cancellation));
  });
}

// Ends the call with what the work throws.
template <typename Work>
void Http2Connection::run_grpc(Http2Stream& stream, Work work) {
  try {
    work();
  } catch (const Error& error) {
    // Over the limit is the client's doing; everywhere else an exhausted resource is ours.
    const GrpcCode code = error.code() == ErrorCode::ResourceExhausted ? GrpcCode::ResourceExhausted
                                                                       : grpc_code(error.code());
    refuse(stream, 0, code, error.what());
  } catch (const std::exception& error) {
    spdlog::error("unexpected failure in a gRPC method: {}", error.what());
    refuse(stream, 0, GrpcCode::Internal, std::string("internal error: ") + error.what());
  }
}

void Http2Connection::take_data(Http2Stream& stream, std::span<const char> bytes) {
  stream.body_bytes += bytes.size();
  if (stream.refused || stream.reply_done) return;
  if (stream.grpc) {
    run_grpc(stream, [&] {
      stream.messages.feed(
          bytes, [&](BodyBuffer message) { take_grpc_message(stream, std::move(message)); });
      look_at_message(stream);
    });
    return;
  }
  BodyBuffer& body = stream.request.body;
  if (body.size() + bytes.size() > stream.body_limit) {
    context_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
    refuse(stream, kPayloadTooLarge, GrpcCode::ResourceExhausted,
           "the request body is larger than the limit of " + std::to_string(stream.body_limit) +
               " bytes");
    return;
  }
  try {
    body.append(bytes);
  } catch (const Error& error) {
    refuse(stream, kUnavailable, GrpcCode::ResourceExhausted, error.what());
  }
}

void Http2Connection::look_at_message(Http2Stream& stream) {
  if (stream.looked_at || !stream.method->look || stream.messages.begun().empty()) return;
  stream.looked_at = true;
  if (const auto error = stream.method->look(stream.messages.begun()))
    refuse(stream, 0, grpc_code(error->code()), error->what());
}

void Http2Connection::take_grpc_message(Http2Stream& stream, BodyBuffer message) {
  if (stream.refused || stream.reply_done) return;
  if (stream.reader) {
    stream.reader->on_message(std::move(message));
    return;
  }
  if (stream.message)
    fail(ErrorCode::InvalidArgument, "a unary call takes one message, not several");
  stream.message = std::move(message);
}

void Http2Connection::request_ended(Http2Stream& stream) {
  stream.request_done = true;
  if (stream.refused || stream.reply_done) return;
  const auto id = static_cast<std::uint32_t>(stream.id);
  if (!stream.grpc) {
    context_.counters.requests.fetch_add(1, std::memory_order_relaxed);
    context_.handler.handle(std::move(stream.request),
                            Responder(context_.mailbox, id_, id, stream.cancellation));
    return;
  }
  run_grpc(stream, [&] {
    if (!stream.messages.at_boundary())
      fail(ErrorCode::InvalidArgument, "the call ended inside a message");
    if (stream.reader) {
      stream.reader->on_end();
      return;
    }
    if (!stream.message)
      fail(ErrorCode::InvalidArgument, "a unary call takes one message, not none");
    GrpcResponder responder(context_.mailbox, id_, id, stream.cancellation);
    try {
      stream.method->unary(stream.context, std::move(*stream.message), responder);
    } catch (const Error& error) {
      responder.finish(grpc_status(error));
    } catch (const std::exception& error) {
      spdlog::error("unexpected failure in a gRPC method: {}", error.what());
      responder.finish({GrpcCode::Internal, std::string("internal error: ") + error.what()});
    }
  });
}

void Http2Connection::submit_headers(Http2Stream& stream, const std::vector<nghttp2_nv>& fields,
                                     bool with_body) {
  stream.headers_sent = true;
  stream.moved = now_;
  nghttp2_data_provider provider{};
  provider.read_callback = Callbacks::read_output;
  nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(),
                          with_body ? &provider : nullptr);
}

void Http2Connection::submit_http(Http2Stream& stream, HttpReply reply) {
  std::size_t length = reply.body.size();
  for (const auto part : reply.tail) length += part.size();
  const std::string status = std::to_string(reply.status);
  const std::string length_text = std::to_string(length);
  for (HttpHeader& header : reply.headers) header.name = lower_case(std::move(header.name));
  const std::vector<HttpHeader> headers = std::move(reply.headers);
  std::vector<nghttp2_nv> fields{field(":status", status)};
  const std::string type = std::move(reply.content_type);
  if (!type.empty()) fields.push_back(field("content-type", type));
  for (const HttpHeader& header : headers) fields.push_back(field(header.name, header.value));
  fields.push_back(field("content-length", length_text));
  stream.reply_done = true;
  const bool with_body = length > 0 && !stream.is_head;
  if (with_body) stream.output.add(std::move(reply));
  submit_headers(stream, fields, with_body);
}

// A message that cannot be sent ends the call.
void Http2Connection::frame_message(Http2Stream& stream, GrpcLetter& letter) {
  try {
    std::string bytes;
    append_grpc_message(bytes, *letter.message, stream.coding);
    if (stream.output.empty()) stream.moved = now_;  // from now on the client is waited for
    stream.output.add(std::move(bytes));
    return;
  } catch (const Error& error) {
    letter.status = GrpcStatus{GrpcCode::ResourceExhausted, error.what()};
  } catch (const std::exception&) {
    letter.status = GrpcStatus{GrpcCode::Unavailable, "out of memory"};
  }
  stream.cancellation->request();
}

void Http2Connection::submit_grpc(Http2Stream& stream, GrpcLetter letter) {
  if (letter.message) frame_message(stream, letter);
  if (letter.status) {
    stream.reply_done = true;
    stream.status = std::move(letter.status);
  }
  if (stream.headers_sent) {
    if (stream.deferred) {
      stream.deferred = false;
      nghttp2_session_resume_data(session_, stream.id);
    }
    return;
  }
  std::vector<nghttp2_nv> fields{field(":status", "200"),
                                 field("content-type", "application/grpc")};
  const bool only_trailers = stream.reply_done && stream.output.empty();
  if (!only_trailers) {
    fields.push_back(field("grpc-accept-encoding", "identity, deflate, gzip"));
    if (stream.coding != BodyCoding::Identity)
      fields.push_back(
          field("grpc-encoding", stream.coding == BodyCoding::Gzip ? "gzip" : "deflate"));
    submit_headers(stream, fields, true);
    return;
  }
  const std::string code = number_text(stream.status->code);
  const std::string text = encode_grpc_text(stream.status->message);
  fields.push_back(field("grpc-status", code));
  if (!text.empty()) fields.push_back(field("grpc-message", text));
  submit_headers(stream, fields, false);
}

void Http2Connection::submit_trailers(Http2Stream& stream) {
  const std::string code = number_text(stream.status->code);
  const std::string text = encode_grpc_text(stream.status->message);
  std::vector<nghttp2_nv> fields{field("grpc-status", code)};
  if (!text.empty()) fields.push_back(field("grpc-message", text));
  nghttp2_submit_trailer(session_, stream.id, fields.data(), fields.size());
}

}  // namespace jetcal::server::detail
