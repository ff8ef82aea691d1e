// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/tensor.h"

#include <array>
#include <cstring>

namespace jetcal::engine {
namespace {

struct TypeEntry {
  DataType type;
  std::string_view name;
  std::size_t size;
};

constexpr std::array kTypes{
    TypeEntry{DataType::Bool, "BOOL", 1},     TypeEntry{DataType::Uint8, "UINT8", 1},
    TypeEntry{DataType::Uint16, "UINT16", 2}, TypeEntry{DataType::Uint32, "UINT32", 4},
    TypeEntry{DataType::Uint64, "UINT64", 8}, TypeEntry{DataType::Int8, "INT8", 1},
    TypeEntry{DataType::Int16, "INT16", 2},   TypeEntry{DataType::Int32, "INT32", 4},
    TypeEntry{DataType::Int64, "INT64", 8},   TypeEntry{DataType::Fp16, "FP16", 2},
    TypeEntry{DataType::Bf16, "BF16", 2},     TypeEntry{DataType::Fp32, "FP32", 4},
    TypeEntry{DataType::Fp64, "FP64", 8},     TypeEntry{DataType::Bytes, "BYTES", 0},
};

constexpr std::int64_t kMaxElements = std::int64_t{1} << 62;

}  // namespace

std::string_view data_type_name(DataType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)].name;
}

std::size_t data_type_size(DataType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)].size;
}

std::optional<DataType> parse_data_type(std::string_view name) noexcept {
  if (name == "TYPE_STRING") return DataType::Bytes;
  if (name.starts_with("TYPE_")) name.remove_prefix(5);
  for (const TypeEntry& entry : kTypes) {
    if (entry.name == name) return entry.type;
  }
  return std::nullopt;
}

std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape) noexcept {
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      empty = true;
      continue;
    }
    if (count > kMaxElements / size) return std::nullopt;
    count *= size;
  }
  return empty ? 0 : count;
}

std::vector<std::string_view> strings_of(std::span<const std::byte> data) {
  std::vector<std::string_view> texts;
  std::uint32_t length = 0;
  while (data.size() >= sizeof length) {
    std::memcpy(&length, data.data(), sizeof length);
    data = data.subspan(sizeof length);
    if (data.size() < length) break;
    texts.emplace_back(reinterpret_cast<const char*>(data.data()), length);
    data = data.subspan(length);
  }
  return texts;
}

void append_string(std::vector<std::byte>& data, std::string_view text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  const auto* const head = reinterpret_cast<const std::byte*>(&length);
  const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
  data.insert(data.end(), head, head + sizeof length);
  data.insert(data.end(), bytes, bytes + text.size());
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ",";
    text += std::to_string(size);
  }
  return text + "]";
}

}  // namespace jetcal::engine
