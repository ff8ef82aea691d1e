// SPDX-License-Identifier: Apache-2.0
// One HTTP request and its reply, as the protocol above HTTP sees them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::server {

/// Holds the body of a request. A chosen offset inside it lies on a 64-byte boundary, so that
/// tensors behind a JSON header can be read where they arrived; the 64 bytes behind the body are
/// readable, as simdjson needs.
class BodyBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kPadding = 64;

  /// Makes room for `capacity` bytes with `data() + align_at` aligned; pages are not touched before
  /// they are written. Throws ResourceExhausted when there is no memory.
  void reserve(std::size_t capacity, std::size_t align_at);
  /// Appends bytes, growing by doubling. Throws ResourceExhausted.
  void append(std::span<const char> bytes);
  /// Returns the room behind the body, at most capacity() - size() bytes, to receive into.
  std::span<char> free_space() noexcept { return {data_ + size_, capacity_ - size_}; }
  /// Declares `count` bytes of free_space() as filled.
  void advance(std::size_t count) noexcept { size_ += count; }

  char* data() noexcept { return data_; }
  const char* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::string_view view() const noexcept { return {data_, size_}; }

 private:
  struct Free {
    void operator()(char* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<char[], Free> memory_;
  char* data_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0, align_at_ = 0;
};

struct HttpHeader {
  std::string name;  ///< Lower case in requests.
  std::string value;
};

/// What comes before the body of a request.
struct HttpHead {
  std::string_view method;  ///< "GET"; static text.
  std::string target;       ///< As sent: path and query, percent-encoded.
  std::vector<HttpHeader> headers;

  /// Finds a header by its lower-case name; nullptr when it is absent.
  const std::string* find(std::string_view name) const noexcept;
  /// Returns the target up to '?', still percent-encoded.
  std::string_view path() const noexcept;
};

struct HttpRequest {
  HttpHead head;
  BodyBuffer body;
};

/// An answer: its body is `body` followed by the bytes of `tail`, which `tail_owner` keeps alive.
struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<HttpHeader> headers;
  std::string body;
  std::vector<std::span<const std::byte>> tail;
  std::shared_ptr<const void> tail_owner;  // shared: tensors belong to the engine's answer
  bool close = false;                      ///< Ends the connection after this reply.
};

/// Makes {"error":"text"} with a status; 503 asks the client to come back in a second.
HttpReply error_reply(int status, std::string_view text);

/// Makes 401 with the challenge that RFC 6750 asks for.
HttpReply unauthorized_reply(std::string_view text);

/// Decodes %XX; an incomplete or wrong escape stays as it is.
std::string percent_decode(std::string_view text);

}  // namespace jetcal::server
