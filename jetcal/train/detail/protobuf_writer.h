// SPDX-License-Identifier: Apache-2.0
// Writes messages of Protocol Buffers by hand: the few that TensorBoard reads need no library.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace jetcal::train::detail {

template <typename T>
void append_raw(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

/// Collects the fields of one message.
class Message {
 public:
  Message& whole(std::uint64_t field, std::uint64_t value) {
    key(field, 0);
    varint(value);
    return *this;
  }
  Message& real(std::uint64_t field, double value) {
    key(field, 1);
    append_raw(bytes_, value);
    return *this;
  }
  Message& single(std::uint64_t field, float value) {
    key(field, 5);
    append_raw(bytes_, value);
    return *this;
  }
  Message& text(std::uint64_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(std::uint64_t field, const Message& value) { return text(field, value.bytes_); }
  /// Packed, as proto3 has repeated numbers.
  Message& reals(std::uint64_t field, std::span<const double> values) {
    return text(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }

  const std::string& bytes() const noexcept { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  void key(std::uint64_t field, std::uint64_t wire) { varint(field << 3 | wire); }

  std::string bytes_;
};

}  // namespace jetcal::train::detail
