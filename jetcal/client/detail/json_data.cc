// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/detail/json_data.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

#include "jetcal/base/error.h"

namespace jetcal::client::detail {
namespace {

using engine::DataType;
using nlohmann::ordered_json;

// Calls f with a value of the C++ type of a tensor type; false for types that JSON cannot hold.
template <typename F>
bool with_number_type(DataType type, const F& f) {
  switch (type) {
    case DataType::Uint8:
      f(std::uint8_t{});
      return true;
    case DataType::Uint16:
      f(std::uint16_t{});
      return true;
    case DataType::Uint32:
      f(std::uint32_t{});
      return true;
    case DataType::Uint64:
      f(std::uint64_t{});
      return true;
    case DataType::Int8:
      f(std::int8_t{});
      return true;
    case DataType::Int16:
      f(std::int16_t{});
      return true;
    case DataType::Int32:
      f(std::int32_t{});
      return true;
    case DataType::Int64:
      f(std::int64_t{});
      return true;
    case DataType::Fp32:
      f(float{});
      return true;
    case DataType::Fp64:
      f(double{});
      return true;
    case DataType::Bool:
      f(bool{});
      return true;
    default:
      return false;
  }
}

[[noreturn]] void cannot_hold(const engine::Tensor& tensor, const char* what) {
  fail(ErrorCode::InvalidArgument, "the tensor '", tensor.name, "' cannot be sent as JSON: ", what,
       "; send it as binary data");
}

ordered_json strings_of(const engine::Tensor& tensor) {
  ordered_json list = ordered_json::array();
  std::size_t at = 0;
  while (at < tensor.data.size()) {
    std::uint32_t length = 0;
    if (tensor.data.size() - at < sizeof length)
      fail(ErrorCode::InvalidArgument, "the tensor '", tensor.name, "' ends inside an element");
    std::memcpy(&length, tensor.data.data() + at, sizeof length);
    at += sizeof length;
    if (length > tensor.data.size() - at)
      fail(ErrorCode::InvalidArgument, "the tensor '", tensor.name, "' ends inside an element");
    list.push_back(std::string(reinterpret_cast<const char*>(tensor.data.data() + at), length));
    at += length;
  }
  try {
    static_cast<void>(list.dump());
  } catch (const ordered_json::exception&) {
    cannot_hold(tensor, "an element is no UTF-8");
  }
  return list;
}

template <typename T>
void append(std::vector<std::byte>& bytes, T value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

[[noreturn]] void odd(const std::string& name, const ordered_json& value, DataType type) {
  fail(ErrorCode::DataLoss, "the tensor '", name, "' holds ", value.dump().substr(0, 40),
       ", which is no ", engine::data_type_name(type));
}

template <typename T>
T number_of(const ordered_json& value, DataType type, const std::string& name) {
  if constexpr (std::is_same_v<T, bool>) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number_integer() && (value == 0 || value == 1)) return value.get<int>() == 1;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (value.is_null()) return std::numeric_limits<T>::quiet_NaN();
    if (value.is_number()) return static_cast<T>(value.get<double>());
  } else {
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
      return static_cast<T>(value.get<std::uint64_t>());
    if (std::is_signed_v<T> && value.is_number_integer() && !value.is_number_unsigned() &&
        value.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min()))
      return static_cast<T>(value.get<std::int64_t>());
  }
  odd(name, value, type);
}

void append_elements(const ordered_json& data, DataType type, const std::string& name,
                     std::vector<std::byte>& bytes, std::int64_t& count) {
  if (data.is_array()) {
    for (const ordered_json& entry : data) append_elements(entry, type, name, bytes, count);
    return;
  }
  ++count;
  if (type == DataType::Bytes) {
    if (!data.is_string()) odd(name, data, type);
    const auto text = data.get<std::string>();
    append(bytes, static_cast<std::uint32_t>(text.size()));
    for (const char letter : text) bytes.push_back(static_cast<std::byte>(letter));
    return;
  }
  const bool known = with_number_type(
      type, [&](auto kind) { append(bytes, number_of<decltype(kind)>(data, type, name)); });
  if (!known) odd(name, data, type);
}

}  // namespace

ordered_json json_of_bytes(const engine::Tensor& tensor, bool lossy) {
  if (tensor.type == DataType::Bytes) return strings_of(tensor);
  ordered_json list = ordered_json::array();
  const bool known = with_number_type(tensor.type, [&](auto kind) {
    using T = decltype(kind);
    for (std::size_t at = 0; at + sizeof(T) <= tensor.data.size(); at += sizeof(T)) {
      T value{};
      std::memcpy(&value, tensor.data.data() + at, sizeof value);
      if constexpr (std::is_floating_point_v<T>) {
        if (!std::isfinite(value)) {
          if (!lossy) cannot_hold(tensor, "a value is not finite");
          list.push_back(nullptr);
          continue;
        }
      }
      if constexpr (std::is_same_v<T, float>) {
        // The double that is nearest to a float's shortest digits is printed with just these.
        list.push_back(std::strtod(fmt::format("{}", value).c_str(), nullptr));
      } else {
        list.push_back(value);
      }
    }
  });
  if (!known) cannot_hold(tensor, "it has 16-bit floats");
  return list;
}

std::vector<std::byte> bytes_of_json(const ordered_json& data, DataType type, std::int64_t count,
                                     const std::string& name) {
  std::vector<std::byte> bytes;
  std::int64_t got = 0;
  if (!data.is_array()) odd(name, data, type);
  append_elements(data, type, name, bytes, got);
  if (got != count)
    fail(ErrorCode::DataLoss, "the tensor '", name, "' holds ", got, " values, expected ", count);
  return bytes;
}

}  // namespace jetcal::client::detail
