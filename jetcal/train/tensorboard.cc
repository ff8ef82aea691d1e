// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/tensorboard.h"

#include <array>
#include <bit>
#include <cstring>

namespace jetcal::train {
namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

// TFRecord masks its checksums so that a record inside a record does not look like one.
std::uint32_t masked_crc(std::string_view bytes) noexcept {
  return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U;
}

template <typename T>
void append_raw(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

// Wire types of protobuf.
enum class Wire : std::uint64_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

void append_key(std::string& out, std::uint64_t field, Wire wire) {
  append_varint(out, field << 3 | static_cast<std::uint64_t>(wire));
}

void append_bytes(std::string& out, std::uint64_t field, std::string_view bytes) {
  append_key(out, field, Wire::Bytes);
  append_varint(out, bytes.size());
  out += bytes;
}

// The fields that every tensorflow.Event starts with.
std::string event_start(double wall_time, std::int64_t step) {
  std::string event;
  append_key(event, 1, Wire::Fixed64);
  append_raw(event, wall_time);
  append_key(event, 2, Wire::Varint);
  append_varint(event, static_cast<std::uint64_t>(step));
  return event;
}

std::string tf_record(std::string_view data) {
  std::string length;
  append_raw(length, static_cast<std::uint64_t>(data.size()));
  std::string record = length;
  append_raw(record, masked_crc(length));
  record += data;
  append_raw(record, masked_crc(data));
  return record;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) noexcept {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc = (crc >> 8) ^ kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFFU];
  }
  return ~crc;
}

std::string tensorboard_header(double wall_time) {
  std::string event = event_start(wall_time, 0);
  append_bytes(event, 3, "brain.Event:2");
  return tf_record(event);
}

std::string tensorboard_record(double wall_time, std::int64_t step,
                               std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    append_bytes(value, 1, scalar.tag);
    append_key(value, 2, Wire::Fixed32);
    append_raw(value, static_cast<float>(scalar.value));
    append_bytes(summary, 1, value);
  }
  std::string event = event_start(wall_time, step);
  append_bytes(event, 5, summary);
  return tf_record(event);
}

}  // namespace jetcal::train
