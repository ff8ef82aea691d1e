// SPDX-License-Identifier: Apache-2.0
// Named tensors as the Open Inference Protocol knows them: type, shape, bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace jetcal::engine {

/// Lists the tensor types of the Open Inference Protocol.
enum class DataType {
  Bool,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Int8,
  Int16,
  Int32,
  Int64,
  Fp16,
  Bf16,
  Fp32,
  Fp64,
  Bytes
};

/// Returns the protocol's name, e.g. "FP32".
std::string_view data_type_name(DataType type) noexcept;
/// Reads the protocol's name ("FP32") or, for a config.pbtxt, Triton's ("TYPE_FP32",
/// "TYPE_STRING").
std::optional<DataType> parse_data_type(std::string_view name) noexcept;
/// Returns the bytes of one element; 0 for Bytes, whose elements differ in length.
std::size_t data_type_size(DataType type) noexcept;

/// Multiplies the dimensions; nothing when one is negative or the product exceeds 2^62.
std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape) noexcept;

/// Views the strings of a Bytes tensor, up to the first that its bytes do not hold.
std::vector<std::string_view> strings_of(std::span<const std::byte> data);
/// Appends one string to the bytes of a Bytes tensor.
void append_string(std::vector<std::byte>& data, std::string_view text);

/// Prints a shape as "[2,1,-1]".
std::string shape_text(std::span<const std::int64_t> shape);

/// Describes an input or output of a model; -1 is a dimension that may vary.
struct TensorSpec {
  std::string name;
  DataType type = DataType::Fp32;
  std::vector<std::int64_t> shape;
};

/// Views a tensor that somebody else owns. `data` is row-major, little-endian, of any alignment;
/// Bytes elements are a 4-byte length and that many bytes each.
struct TensorView {
  std::string name;
  DataType type = DataType::Fp32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};

/// Owns a tensor.
struct Tensor {
  std::string name;
  DataType type = DataType::Fp32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;

  TensorView view() const { return {name, type, shape, data}; }
};

}  // namespace jetcal::engine
