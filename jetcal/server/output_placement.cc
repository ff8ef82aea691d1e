// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/output_placement.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

using engine::DataType;

template <typename T>
std::vector<double> numbers_of(const engine::Tensor& tensor) {
  std::vector<double> numbers(tensor.data.size() / sizeof(T));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    T value{};
    std::memcpy(&value, tensor.data.data() + i * sizeof(T), sizeof(T));
    numbers[i] = static_cast<double>(value);
  }
  return numbers;
}

std::vector<double> numbers(const engine::Tensor& tensor) {
  switch (tensor.type) {
    case DataType::Bool:
    case DataType::Uint8:
      return numbers_of<std::uint8_t>(tensor);
    case DataType::Uint16:
      return numbers_of<std::uint16_t>(tensor);
    case DataType::Uint32:
      return numbers_of<std::uint32_t>(tensor);
    case DataType::Uint64:
      return numbers_of<std::uint64_t>(tensor);
    case DataType::Int8:
      return numbers_of<std::int8_t>(tensor);
    case DataType::Int16:
      return numbers_of<std::int16_t>(tensor);
    case DataType::Int32:
      return numbers_of<std::int32_t>(tensor);
    case DataType::Int64:
      return numbers_of<std::int64_t>(tensor);
    case DataType::Fp32:
      return numbers_of<float>(tensor);
    case DataType::Fp64:
      return numbers_of<double>(tensor);
    case DataType::Fp16:
    case DataType::Bf16:
    case DataType::Bytes:
      break;
  }
  fail(ErrorCode::InvalidArgument, "class result not available for output '", tensor.name,
       "' due to unsupported type '", engine::data_type_name(tensor.type), "'");
}

void append_text(std::vector<std::byte>& out, const std::string& text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  const std::size_t at = out.size();
  out.resize(at + sizeof length + text.size());
  std::memcpy(out.data() + at, &length, sizeof length);
  std::memcpy(out.data() + at + sizeof length, text.data(), text.size());
}

}  // namespace

engine::Tensor classify(const engine::Tensor& tensor, std::uint64_t classes, bool batched) {
  const std::vector<double> values = numbers(tensor);
  const bool rows_given = batched && !tensor.shape.empty() && tensor.shape.front() > 0;
  const std::size_t rows = rows_given ? static_cast<std::size_t>(tensor.shape.front()) : 1;
  const std::size_t columns = values.size() / rows;
  const auto kept = static_cast<std::size_t>(std::min<std::uint64_t>(classes, columns));
  engine::Tensor out{tensor.name, DataType::Bytes, {}, {}};
  if (batched) out.shape.push_back(static_cast<std::int64_t>(rows));
  out.shape.push_back(static_cast<std::int64_t>(kept));
  std::vector<std::size_t> order(columns);
  for (std::size_t row = 0; row < rows; ++row) {
    const double* const first = values.data() + row * columns;
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return first[a] > first[b]; });
    for (std::size_t i = 0; i < kept; ++i) {
      // Six decimals of a number of up to 309 digits.
      char text[352];
      std::snprintf(text, sizeof text, "%f:%zu", first[order[i]], order[i]);
      append_text(out.data, text);
    }
  }
  return out;
}

void place_in_memory(const OutputPlan& plan, const engine::Tensor& tensor) {
  const std::span<std::byte> room = plan.memory.bytes;
  if (tensor.data.size() > room.size())
    fail(ErrorCode::InvalidArgument, "shared memory size specified with the request for output '",
         tensor.name, "' (", room.size(), " bytes) should be at least ", tensor.data.size(),
         " bytes to hold the results");
  if (!tensor.data.empty()) std::memcpy(room.data(), tensor.data.data(), tensor.data.size());
}

}  // namespace jetcal::server
