// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/http2_callbacks.h"

#include <algorithm>
#include <array>

#include "jetcal/base/error.h"
#include "jetcal/base/log.h"

namespace jetcal::server::detail {
namespace {

constexpr std::size_t kMaxHeaders = 128;

Http2Connection& self(void* user) { return *static_cast<Http2Connection*>(user); }

std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

// HttpHead keeps a view, so the text must be static.
std::string_view static_method(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kMethods{
      "GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"};
  const auto* const found = std::find(kMethods.begin(), kMethods.end(), name);
  return found == kMethods.end() ? "UNKNOWN" : *found;
}

// Runs what may throw; a failure of ours ends the stream, not the process.
template <typename Work>
int guarded(Work work) noexcept {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    spdlog::error("unexpected failure in an HTTP/2 stream: {}", error.what());
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
}

}  // namespace

nghttp2_session* Http2Connection::Callbacks::make_session(Http2Connection& connection) {
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0)
    fail(ErrorCode::ResourceExhausted, "no memory for an HTTP/2 connection");
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
  nghttp2_session* session = nullptr;
  const int status = nghttp2_session_server_new(&session, callbacks, &connection);
  nghttp2_session_callbacks_del(callbacks);
  if (status != 0) fail(ErrorCode::ResourceExhausted, "no memory for an HTTP/2 connection");
  return session;
}

int Http2Connection::Callbacks::on_begin_headers(nghttp2_session*, const nghttp2_frame* frame,
                                                 void* user) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  return guarded([&] {
    Http2Connection& connection = self(user);
    const std::int32_t id = frame->hd.stream_id;
    connection.streams_.emplace(id, std::make_unique<Http2Stream>(id, connection.now_));
  });
}

int Http2Connection::Callbacks::on_header(nghttp2_session*, const nghttp2_frame* frame,
                                          const std::uint8_t* name_bytes, std::size_t name_size,
                                          const std::uint8_t* value_bytes, std::size_t value_size,
                                          std::uint8_t, void* user) {
  return guarded([&] {
    Http2Connection& connection = self(user);
    Http2Stream* const stream = connection.find(frame->hd.stream_id);
    if (stream == nullptr || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return;  // trailers
    stream->header_bytes += name_size + value_size;
    ++stream->header_count;
    const bool too_large = stream->header_bytes > connection.context_.options.max_header_bytes ||
                           stream->header_count > kMaxHeaders;
    if (too_large) return;  // headers_done() says so
    const std::string_view name = text_of(name_bytes, name_size);
    const std::string_view value = text_of(value_bytes, value_size);
    HttpHead& head = stream->request.head;
    if (name == ":method") {
      head.method = static_method(value);
    } else if (name == ":path") {
      head.target = value;
    } else if (name == ":authority") {
      head.headers.push_back({"host", std::string(value)});
    } else if (!name.starts_with(':')) {
      head.headers.push_back({std::string(name), std::string(value)});
    }
  });
}

int Http2Connection::Callbacks::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  return guarded([&] {
    Http2Connection& connection = self(user);
    if (frame->hd.type == NGHTTP2_PING) {
      const bool answer = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
      if (answer && connection.draining_ && !connection.ending_) connection.end_drain();
      return;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return;
    Http2Stream* const stream = connection.find(frame->hd.stream_id);
    if (stream == nullptr) return;
    const bool opens =
        frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (opens) {
      const bool crowded = stream->header_count > kMaxHeaders;
      connection.headers_done(*stream, crowded);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) connection.request_ended(*stream);
  });
}

int Http2Connection::Callbacks::on_data(nghttp2_session*, std::uint8_t, std::int32_t id,
                                        const std::uint8_t* data, std::size_t size, void* user) {
  return guarded([&] {
    Http2Connection& connection = self(user);
    Http2Stream* const stream = connection.find(id);
    if (stream != nullptr)
      connection.take_data(*stream, {reinterpret_cast<const char*>(data), size});
  });
}

int Http2Connection::Callbacks::on_close(nghttp2_session*, std::int32_t id, std::uint32_t error,
                                         void* user) {
  return guarded([&] { self(user).forget(id, error); });
}

// A client that is answered before it has sent everything need not send the rest.
int Http2Connection::Callbacks::on_sent(nghttp2_session* session, const nghttp2_frame* frame,
                                        void* user) {
  const bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (!ends) return 0;
  const Http2Stream* const stream = self(user).find(frame->hd.stream_id);
  if (stream != nullptr && !stream->request_done)
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
  return 0;
}

ssize_t Http2Connection::Callbacks::read_output(nghttp2_session*, std::int32_t id,
                                                std::uint8_t* out, std::size_t room,
                                                std::uint32_t* flags, nghttp2_data_source*,
                                                void* user) {
  Http2Connection& connection = self(user);
  Http2Stream* const stream = connection.find(id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::size_t taken = stream->output.take(out, room);
  if (taken > 0) stream->moved = connection.now_;
  if (!stream->output.empty()) return static_cast<ssize_t>(taken);
  if (!stream->reply_done) {
    if (taken > 0) return static_cast<ssize_t>(taken);
    stream->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (stream->grpc) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (guarded([&] { connection.submit_trailers(*stream); }) != 0)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  return static_cast<ssize_t>(taken);
}

}  // namespace jetcal::server::detail
