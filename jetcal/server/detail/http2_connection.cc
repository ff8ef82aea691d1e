// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/http2_connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "jetcal/base/error.h"
#include "jetcal/base/log.h"
#include "jetcal/server/detail/http2_callbacks.h"

namespace jetcal::server::detail {
namespace {

constexpr std::size_t kInputBytes = std::size_t{64} << 10;
constexpr int kReceivesPerEvent = 16;
// Frames wait here for the socket; a client that does not read gets no more made for it.
constexpr std::size_t kOutputBytes = std::size_t{256} << 10;
constexpr std::uint32_t kStreamWindow = std::uint32_t{4} << 20U;
constexpr std::int32_t kConnectionWindow = std::int32_t{16} << 20;
constexpr std::uint32_t kFrameBytes = std::uint32_t{1} << 20U;
// A client that opens and resets streams to make us work for nothing is sent away.
constexpr std::uint32_t kMaxResets = 10000;
constexpr std::chrono::milliseconds kDrainNotice{1000};

}  // namespace

Http2Connection::Http2Connection(std::unique_ptr<Transport> transport, std::uint64_t id,
                                 const ConnectionContext& context, Clock::time_point now)
    : Connection(std::move(transport), id, context),
      input_(kInputBytes),
      now_(now),
      last_received_(now),
      last_sent_(now),
      idle_since_(now) {
  session_ = Callbacks::make_session(*this);
  const std::array<nghttp2_settings_entry, 4> settings{
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
        static_cast<std::uint32_t>(context.options.max_streams)},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
       {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameBytes},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
        static_cast<std::uint32_t>(context.options.max_header_bytes)}}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Http2Connection::~Http2Connection() {
  close();
  nghttp2_session_del(session_);
}

void Http2Connection::close() noexcept {
  if (closed_) return;
  closed_ = true;
  // Taken out first: what is cancelled may look at this connection.
  const auto streams = std::move(streams_);
  streams_.clear();
  for (const auto& [id, stream] : streams) stream->cancellation->request();
  transport_->close();
}

bool Http2Connection::busy() const noexcept {
  if (closed_) return false;
  return !streams_.empty() || sent_ < output_.size() || (draining_ && !ending_);
}

std::uint32_t Http2Connection::wanted_events() const noexcept {
  const std::size_t waiting = output_.size() - sent_;
  std::uint32_t events = waiting < kOutputBytes ? EPOLLIN : 0U;
  if (waiting > 0) events |= EPOLLOUT;
  return events;
}

void Http2Connection::start(std::string_view first_bytes, Clock::time_point now) {
  feed({first_bytes.data(), first_bytes.size()}, now);
  pump(now);
}

void Http2Connection::on_readable(Clock::time_point now) {
  for (int i = 0; i < kReceivesPerEvent && !closed_; ++i) {
    const IoResult got = transport_->receive(input_);
    if (got.kind == IoResult::Kind::Later) break;
    if (got.kind != IoResult::Kind::Moved) {
      close();
      return;
    }
    feed(std::span<const char>(input_).first(got.bytes), now);
    if (got.bytes < input_.size()) break;
  }
  pump(now);
}

void Http2Connection::on_writable(Clock::time_point now) { pump(now); }

void Http2Connection::feed(std::span<const char> bytes, Clock::time_point now) {
  if (closed_) return;
  now_ = last_received_ = now;
  ping_sent_ = false;
  const ssize_t used = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used >= 0) return;
  context_.counters.bad_requests.fetch_add(1, std::memory_order_relaxed);
  nghttp2_session_terminate_session(session_, NGHTTP2_PROTOCOL_ERROR);
  ending_ = true;
  pump(now);
  close();
}

void Http2Connection::pump(Clock::time_point now) {
  now_ = now;
  while (!closed_) {
    if (sent_ == output_.size()) {
      output_.clear();
      sent_ = 0;
    }
    while (output_.size() - sent_ < kOutputBytes) {
      const std::uint8_t* frame = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &frame);
      if (size < 0) {
        close();
        return;
      }
      if (size == 0) break;
      output_.append(reinterpret_cast<const char*>(frame), static_cast<std::size_t>(size));
    }
    if (sent_ == output_.size()) break;
    if (!send_output(now)) return;
  }
  const bool over = nghttp2_session_want_read(session_) == 0 &&
                    nghttp2_session_want_write(session_) == 0 && sent_ == output_.size();
  if (over) close();
}

// Returns false when the socket takes no more now.
bool Http2Connection::send_output(Clock::time_point now) {
  const iovec part{output_.data() + sent_, output_.size() - sent_};
  const IoResult result = transport_->send({&part, 1});
  if (result.kind == IoResult::Kind::Later) return false;
  if (result.kind != IoResult::Kind::Moved) {
    close();
    return false;
  }
  sent_ += result.bytes;
  last_sent_ = now;
  return true;
}

void Http2Connection::deliver(Letter letter, Clock::time_point now) {
  now_ = now;
  Http2Stream* const stream = find(static_cast<std::int32_t>(letter.stream));
  if (stream == nullptr || stream->reply_done) return;  // the client has gone, or time was up
  if (auto* reply = std::get_if<HttpReply>(&letter.content)) {
    submit_http(*stream, std::move(*reply));
  } else {
    submit_grpc(*stream, std::get<GrpcLetter>(std::move(letter.content)));
  }
}

// One alarm is set for the earliest deadline, not one for every call: most calls are answered long
// before theirs.
void Http2Connection::expect_deadline(Clock::time_point deadline) {
  if (deadline >= next_alarm_) return;
  next_alarm_ = deadline;
  context_.timers.add({deadline, id_});
}

void Http2Connection::on_timer(Clock::time_point now) {
  if (closed_) return;
  now_ = now;
  next_alarm_ = Clock::time_point::max();
  Clock::time_point next = Clock::time_point::max();
  for (const auto& [id, stream] : streams_) {
    if (stream->reply_done || !stream->context.deadline) continue;
    if (*stream->context.deadline > now) {
      next = std::min(next, *stream->context.deadline);
      continue;
    }
    submit_grpc(*stream,
                {std::nullopt, GrpcStatus{GrpcCode::DeadlineExceeded, "Deadline Exceeded"}});
    stream->cancellation->request();
  }
  if (next != Clock::time_point::max()) expect_deadline(next);
  pump(now);
}

void Http2Connection::drain(Clock::time_point now) {
  if (draining_ || closed_) return;
  draining_ = true;
  idle_since_ = now;
  // The client learns first that it shall open no more, then, when it has answered the ping, which
  // of its streams was the last one taken: none is lost between the two.
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  pump(now);
}

void Http2Connection::end_drain() {
  ending_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Http2Connection::check_deadline(Clock::time_point now) {
  if (closed_) return;
  const HttpOptions& options = context_.options;
  now_ = now;
  if (resets_ > kMaxResets) {
    nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
    ending_ = true;
  }
  resets_ = 0;
  const bool stuck = sent_ < output_.size() && now - last_sent_ > options.stall_timeout;
  const auto silent = now - last_received_;
  const bool dead = ping_sent_ && silent > options.ping_interval + options.stall_timeout;
  if (stuck || dead) {
    context_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
    close();
    return;
  }
  for (const auto& [id, stream] : streams_) check_stream(*stream, now);
  if (draining_ && !ending_ && now - idle_since_ > kDrainNotice) end_drain();
  if (!streams_.empty() && !ping_sent_ && silent > options.ping_interval) {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    ping_sent_ = true;
  }
  if (streams_.empty() && !ending_ && now - idle_since_ > options.idle_timeout) {
    nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
    ending_ = true;
  }
  pump(now);
}

// A request that comes too slowly is refused; a reply that nobody takes is given up.
void Http2Connection::check_stream(Http2Stream& stream, Clock::time_point now) {
  const HttpOptions& options = context_.options;
  const bool streams = stream.method != nullptr && stream.method->stream;
  if (!stream.request_done && !stream.reply_done && !streams) {
    const double seconds =
        static_cast<double>(stream.body_bytes) / static_cast<double>(options.min_bytes_per_second);
    const auto allowed = options.stall_timeout + std::chrono::duration_cast<Clock::duration>(
                                                     std::chrono::duration<double>(seconds));
    if (now - stream.begun <= allowed) return;
    context_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
    constexpr int kRequestTimeout = 408;
    refuse(stream, kRequestTimeout, GrpcCode::DeadlineExceeded, "the request came too slowly");
    return;
  }
  if (stream.headers_sent && !stream.output.empty() && now - stream.moved > options.stall_timeout) {
    context_.counters.timeouts.fetch_add(1, std::memory_order_relaxed);
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
  }
}

Http2Stream* Http2Connection::find(std::int32_t id) noexcept {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Http2Connection::forget(std::int32_t id, std::uint32_t error) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const std::unique_ptr<Http2Stream> stream = std::move(found->second);
  streams_.erase(found);
  if (streams_.empty()) idle_since_ = now_;
  if (error != NGHTTP2_NO_ERROR) ++resets_;
  if (error != NGHTTP2_NO_ERROR || !stream->reply_done) stream->cancellation->request();
}

}  // namespace jetcal::server::detail
