// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/json_tensor.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/server/json_text.h"

namespace jetcal::server::detail {
namespace {

using engine::DataType;
using simdjson::dom::array;
using simdjson::dom::element;

// Says that a value has another kind, in the words of Triton and with the name of the input.
[[noreturn]] void wrong_kind(const engine::TensorView& tensor, const char* actual,
                             const char* wanted) {
  fail(ErrorCode::InvalidArgument, "Unable to parse 'data': attempt to access JSON non-", actual,
       " as ", wanted, " (input '", tensor.name, "')");
}

[[noreturn]] void out_of_range(const engine::TensorView& tensor) {
  fail(ErrorCode::InvalidArgument, "Unable to parse 'data': a value of input '", tensor.name,
       "' is outside the range of ", engine::data_type_name(tensor.type));
}

[[noreturn]] void not_the_shape(const engine::TensorView& tensor) {
  fail(ErrorCode::InvalidArgument,
       "Unable to parse 'data': Shape does not match true shape of 'data' field (input '",
       tensor.name, "', shape ", engine::shape_text(tensor.shape), ")");
}

// Reads one number of type T; a whole number is good for a floating-point type.
template <typename T>
T read_value(const element& value, const engine::TensorView& tensor) {
  if constexpr (std::is_same_v<T, bool>) {
    bool flag = false;
    if (value.get(flag) != simdjson::SUCCESS) wrong_kind(tensor, "boolean", "boolean");
    return flag;
  } else if constexpr (std::is_floating_point_v<T>) {
    double number = 0;
    if (value.get(number) != simdjson::SUCCESS) wrong_kind(tensor, "number", "double");
    const T narrow = static_cast<T>(number);
    if (!std::isfinite(narrow)) out_of_range(tensor);
    return narrow;
  } else {
    std::int64_t number = 0;
    std::uint64_t large = 0;
    if (value.get(number) == simdjson::SUCCESS) {
      if (!std::in_range<T>(number)) out_of_range(tensor);
      return static_cast<T>(number);
    }
    const char* const kind = std::is_signed_v<T> ? "signed-integer" : "unsigned-integer";
    if (value.get(large) != simdjson::SUCCESS) wrong_kind(tensor, kind, kind);
    if (!std::in_range<T>(large)) out_of_range(tensor);
    return static_cast<T>(large);
  }
}

// Walks flat or nested data and calls add(element) for every scalar, in row-major order.
template <typename Add>
class Walk {
 public:
  Walk(const engine::TensorView& tensor, Add add) : tensor_(tensor), add_(std::move(add)) {}

  void run(const array& data) {
    const auto first = data.begin();
    const bool nested = first != data.end() && (*first).is_array();
    if (nested) {
      level(data, 0);
    } else {
      scalars(data);
    }
  }

 private:
  void scalars(const array& data) {
    for (const element value : data) {
      if (value.is_array()) not_the_shape(tensor_);
      add_(value);
    }
  }

  void level(const array& data, std::size_t depth) {
    if (depth + 1 == tensor_.shape.size()) {
      const std::int64_t before = seen_;
      for (const element value : data) {
        if (value.is_array()) not_the_shape(tensor_);
        add_(value);
        ++seen_;
      }
      if (seen_ - before != tensor_.shape[depth]) not_the_shape(tensor_);
      return;
    }
    if (depth + 1 > tensor_.shape.size()) not_the_shape(tensor_);
    std::int64_t rows = 0;
    for (const element row : data) {
      array inner;
      if (row.get(inner) != simdjson::SUCCESS) not_the_shape(tensor_);
      level(inner, depth + 1);
      ++rows;
    }
    if (rows != tensor_.shape[depth]) not_the_shape(tensor_);
  }

  const engine::TensorView& tensor_;
  Add add_;
  std::int64_t seen_ = 0;
};

template <typename T>
std::unique_ptr<std::byte[]> read_numbers(const array& data, std::int64_t count,
                                          engine::TensorView& tensor) {
  const auto want = static_cast<std::size_t>(count);
  auto bytes = std::make_unique<std::byte[]>(std::max<std::size_t>(want * sizeof(T), 1));
  std::size_t filled = 0;
  Walk(tensor, [&](const element& value) {
    if (filled == want) not_the_shape(tensor);
    const T number = read_value<T>(value, tensor);
    std::memcpy(bytes.get() + filled * sizeof(T), &number, sizeof(T));
    ++filled;
  }).run(data);
  if (filled != want) not_the_shape(tensor);
  tensor.data = {bytes.get(), want * sizeof(T)};
  return bytes;
}

std::unique_ptr<std::byte[]> read_strings(const array& data, std::int64_t count,
                                          engine::TensorView& tensor) {
  std::vector<std::string_view> strings;
  std::size_t size = 0;
  Walk(tensor, [&](const element& value) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS)
      fail(ErrorCode::InvalidArgument,
           "Unable to parse JSON bytes array: attempt to access JSON non-string as string (input '",
           tensor.name, "')");
    strings.push_back(text);
    size += sizeof(std::uint32_t) + text.size();
  }).run(data);
  if (static_cast<std::int64_t>(strings.size()) != count) not_the_shape(tensor);
  auto bytes = std::make_unique<std::byte[]>(std::max<std::size_t>(size, 1));
  std::byte* out = bytes.get();
  for (const std::string_view text : strings) {
    const auto length = static_cast<std::uint32_t>(text.size());
    std::memcpy(out, &length, sizeof length);
    if (!text.empty()) std::memcpy(out + sizeof length, text.data(), text.size());
    out += sizeof length + text.size();
  }
  tensor.data = {bytes.get(), size};
  return bytes;
}

template <typename T>
void append_number(std::string& out, T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      out += "null";
      return;
    }
    if (value == 0 && std::signbit(value)) {
      out += "-0.0";  // many readers take -0 for an integer, which has no sign
      return;
    }
  }
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

template <typename T>
void append_numbers(std::string& out, std::span<const std::byte> data) {
  for (std::size_t at = 0; at + sizeof(T) <= data.size(); at += sizeof(T)) {
    T value{};
    std::memcpy(&value, data.data() + at, sizeof(T));
    if (at > 0) out += ',';
    append_number(out, value);
  }
}

void append_bools(std::string& out, std::span<const std::byte> data) {
  for (std::size_t i = 0; i < data.size(); ++i) {
    if (i > 0) out += ',';
    out += data[i] == std::byte{0} ? "false" : "true";
  }
}

void append_strings(std::string& out, std::span<const std::byte> data) {
  for (std::size_t at = 0; at + sizeof(std::uint32_t) <= data.size();) {
    std::uint32_t length = 0;
    std::memcpy(&length, data.data() + at, sizeof length);
    if (at > 0) out += ',';
    at += sizeof length;
    const std::size_t size = std::min<std::size_t>(length, data.size() - at);
    append_json_string(out, {reinterpret_cast<const char*>(data.data() + at), size});
    at += size;
  }
}

}  // namespace

std::unique_ptr<std::byte[]> read_json_data(const array& data, std::size_t json_bytes,
                                            engine::TensorView& tensor) {
  const std::optional<std::int64_t> count = engine::element_count(tensor.shape);
  // Every element takes a character at least, so a shape beyond that cannot be filled.
  if (!count || static_cast<std::uint64_t>(*count) > json_bytes) not_the_shape(tensor);
  switch (tensor.type) {
    case DataType::Bool:
      return read_numbers<bool>(data, *count, tensor);
    case DataType::Uint8:
      return read_numbers<std::uint8_t>(data, *count, tensor);
    case DataType::Uint16:
      return read_numbers<std::uint16_t>(data, *count, tensor);
    case DataType::Uint32:
      return read_numbers<std::uint32_t>(data, *count, tensor);
    case DataType::Uint64:
      return read_numbers<std::uint64_t>(data, *count, tensor);
    case DataType::Int8:
      return read_numbers<std::int8_t>(data, *count, tensor);
    case DataType::Int16:
      return read_numbers<std::int16_t>(data, *count, tensor);
    case DataType::Int32:
      return read_numbers<std::int32_t>(data, *count, tensor);
    case DataType::Int64:
      return read_numbers<std::int64_t>(data, *count, tensor);
    case DataType::Fp32:
      return read_numbers<float>(data, *count, tensor);
    case DataType::Fp64:
      return read_numbers<double>(data, *count, tensor);
    case DataType::Bytes:
      return read_strings(data, *count, tensor);
    case DataType::Fp16:
    case DataType::Bf16:
      break;
  }
  fail(ErrorCode::InvalidArgument, "receiving ", engine::data_type_name(tensor.type),
       " data via JSON is not supported. Please use the binary data format for input ",
       tensor.name);
}

void append_json_data(std::string& out, const engine::Tensor& tensor) {
  out += "\"data\":[";
  switch (tensor.type) {
    case DataType::Bool:
      append_bools(out, tensor.data);
      break;
    case DataType::Uint8:
      append_numbers<std::uint8_t>(out, tensor.data);
      break;
    case DataType::Uint16:
      append_numbers<std::uint16_t>(out, tensor.data);
      break;
    case DataType::Uint32:
      append_numbers<std::uint32_t>(out, tensor.data);
      break;
    case DataType::Uint64:
      append_numbers<std::uint64_t>(out, tensor.data);
      break;
    case DataType::Int8:
      append_numbers<std::int8_t>(out, tensor.data);
      break;
    case DataType::Int16:
      append_numbers<std::int16_t>(out, tensor.data);
      break;
    case DataType::Int32:
      append_numbers<std::int32_t>(out, tensor.data);
      break;
    case DataType::Int64:
      append_numbers<std::int64_t>(out, tensor.data);
      break;
    case DataType::Fp32:
      append_numbers<float>(out, tensor.data);
      break;
    case DataType::Fp64:
      append_numbers<double>(out, tensor.data);
      break;
    case DataType::Bytes:
      append_strings(out, tensor.data);
      break;
    case DataType::Fp16:
    case DataType::Bf16:
      fail(ErrorCode::InvalidArgument, "sending ", engine::data_type_name(tensor.type),
           " data via JSON is not supported. Please use the binary data format for output ",
           tensor.name);
  }
  out += ']';
}

}  // namespace jetcal::server::detail
