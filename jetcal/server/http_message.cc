// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/http_message.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/server/json_text.h"

namespace jetcal::server {

void BodyBuffer::reserve(std::size_t capacity, std::size_t align_at) {
  const std::size_t shift = (kAlignment - align_at % kAlignment) % kAlignment;
  void* memory = nullptr;
  if (::posix_memalign(&memory, kAlignment, shift + capacity + kPadding) != 0)
    fail(ErrorCode::ResourceExhausted, "no memory for a request body of ", capacity, " bytes");
  std::unique_ptr<char[], Free> grown(static_cast<char*>(memory));
  char* data = grown.get() + shift;
  if (size_ > 0) std::memcpy(data, data_, size_);
  memory_ = std::move(grown);
  data_ = data;
  capacity_ = capacity;
  align_at_ = align_at;
}

void BodyBuffer::append(std::span<const char> bytes) {
  if (bytes.empty()) return;
  if (bytes.size() > capacity_ - size_)
    reserve(std::max(size_ + bytes.size(), capacity_ * 2), align_at_);
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

const std::string* HttpHead::find(std::string_view name) const noexcept {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [name](const HttpHeader& header) { return header.name == name; });
  return found == headers.end() ? nullptr : &found->value;
}

std::string_view HttpHead::path() const noexcept {
  const std::string_view whole = target;
  return whole.substr(0, whole.find('?'));
}

static constexpr int kUnauthorized = 401;
static constexpr int kUnavailable = 503;

HttpReply error_reply(int status, std::string_view text) {
  HttpReply reply;
  reply.status = status;
  if (status == kUnavailable) reply.headers.push_back({"Retry-After", "1"});
  reply.body = "{\"error\":";
  append_json_string(reply.body, text);
  reply.body += '}';
  return reply;
}

HttpReply unauthorized_reply(std::string_view text) {
  HttpReply reply = error_reply(kUnauthorized, text);
  reply.headers.push_back({"WWW-Authenticate", "Bearer"});
  return reply;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      const char* const digits = text.data() + i + 1;
      const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
      if (error == std::errc() && end == digits + 2) {
        decoded += static_cast<char>(value);
        i += 2;
        continue;
      }
    }
    decoded += text[i];
  }
  return decoded;
}

}  // namespace jetcal::server
