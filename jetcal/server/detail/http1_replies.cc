// SPDX-License-Identifier: Apache-2.0
// The part of Http1Connection that writes replies.
#include <sys/uio.h>

#include <array>
#include <utility>

#include "jetcal/server/detail/http1_connection.h"

namespace jetcal::server::detail {
namespace {

constexpr std::chrono::seconds kLingerTime{5};
constexpr std::size_t kMaxSegments = 64;

}  // namespace

void Http1Connection::queue_reply(HttpReply reply, Clock::time_point now) {
  if (reply.close || draining_) keep_alive_ = false;
  reply_ = std::move(reply);
  std::size_t length = reply_.body.size();
  for (const auto part : reply_.tail) length += part.size();
  reply_head_ = std::move(interim_) + "HTTP/1.1 " + std::to_string(reply_.status) + " " +
                http_status_str(static_cast<http_status>(reply_.status)) + "\r\n";
  if (!reply_.content_type.empty()) reply_head_ += "Content-Type: " + reply_.content_type + "\r\n";
  for (const HttpHeader& header : reply_.headers)
    reply_head_ += header.name + ": " + header.value + "\r\n";
  reply_head_ += "Content-Length: " + std::to_string(length) + "\r\n";
  if (!keep_alive_) reply_head_ += "Connection: close\r\n";
  if (keep_alive_ && parser_.http_minor == 0) reply_head_ += "Connection: keep-alive\r\n";
  reply_head_ += "\r\n";
  if (parser_.method == HTTP_HEAD) {
    reply_.body.clear();
    reply_.tail.clear();
    length = 0;
  }
  interim_.clear();
  reply_bytes_ = reply_head_.size() + length;
  sent_ = 0;
  phase_ = Phase::Sending;
  phase_begun_ = now;
  deadline_ = moving_deadline(0);
  flush(now);
}

// Sends "100 Continue", when nothing else is under way; what the socket does not take at once goes
// out before the reply.
void Http1Connection::send_interim(std::string_view text) {
  const iovec part{const_cast<char*>(text.data()), text.size()};
  const IoResult sent = transport_->send({&part, 1});
  if (sent.kind == IoResult::Kind::Moved) text.remove_prefix(sent.bytes);
  interim_ = text;
}

void Http1Connection::flush(Clock::time_point now) {
  while (sent_ < reply_bytes_) {
    std::array<iovec, kMaxSegments> segments{};
    std::size_t count = 0;
    std::size_t skip = sent_;
    const auto add = [&](const void* data, std::size_t size) {
      if (skip >= size) {
        skip -= size;
        return;
      }
      if (count == segments.size()) return;
      segments[count++] = {const_cast<char*>(static_cast<const char*>(data)) + skip, size - skip};
      skip = 0;
    };
    add(reply_head_.data(), reply_head_.size());
    add(reply_.body.data(), reply_.body.size());
    for (const auto part : reply_.tail) add(part.data(), part.size());
    const IoResult sent = transport_->send({segments.data(), count});
    if (sent.kind != IoResult::Kind::Moved) {
      if (sent.kind == IoResult::Kind::Broken) close();
      return;
    }
    sent_ += sent.bytes;
    deadline_ = moving_deadline(sent_);
  }
  reply_sent(now);
}

void Http1Connection::reply_sent(Clock::time_point now) {
  reply_ = {};
  reply_head_.clear();
  cancelled_.reset();
  if (!keep_alive_) {
    linger(now);
    return;
  }
  phase_ = Phase::Idle;
  phase_begun_ = now;
  deadline_ = now + context_.options.idle_timeout;
  parse_input(now);
}

void Http1Connection::linger(Clock::time_point now) {
  if (input_ended_) {
    close();
    return;
  }
  transport_->shutdown_send();
  phase_ = Phase::Lingering;
  deadline_ = now + kLingerTime;
}

}  // namespace jetcal::server::detail
