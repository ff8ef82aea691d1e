// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/typed_contents.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/server/detail/wire_reader.h"

namespace jetcal::server::detail {
namespace {

using engine::DataType;

constexpr std::uint32_t kBytesField = 8;
// The type that Triton names when a field's numbers are not what the input is made of.
constexpr std::array<std::string_view, 9> kFieldTypes{"",       "BOOL", "INT32", "INT64", "UINT32",
                                                      "UINT64", "FP32", "FP64",  "BYTES"};

std::uint32_t field_of(DataType type) {
  switch (type) {
    case DataType::Bool:
      return 1;
    case DataType::Int8:
    case DataType::Int16:
    case DataType::Int32:
      return 2;
    case DataType::Int64:
      return 3;
    case DataType::Uint8:
    case DataType::Uint16:
    case DataType::Uint32:
      return 4;
    case DataType::Uint64:
      return 5;
    case DataType::Fp32:
      return 6;
    case DataType::Fp64:
      return 7;
    case DataType::Bytes:
      return kBytesField;
    case DataType::Fp16:
    case DataType::Bf16:
      return 0;
  }
  return 0;
}

void append(std::vector<std::byte>& out, const void* data, std::size_t size) {
  const std::size_t at = out.size();
  out.resize(at + size);
  if (size > 0) std::memcpy(out.data() + at, data, size);
}

// The low bytes of a number are its value in every narrower type.
void append_number(std::vector<std::byte>& out, std::uint64_t value, std::size_t size) {
  append(out, &value, size);
}

// Appends the elements of one field, packed or not.
void append_elements(const WireField& field, DataType type, std::vector<std::byte>& out) {
  const std::size_t size = engine::data_type_size(type);
  if (type == DataType::Bytes) {
    const auto length = static_cast<std::uint32_t>(field.bytes.size());
    append(out, &length, sizeof length);
    append(out, field.bytes.data(), field.bytes.size());
    return;
  }
  if (field.kind != WireField::Kind::Bytes) {
    append_number(out, field.value, size);
    return;
  }
  if (type == DataType::Fp32 || type == DataType::Fp64) {
    append(out, field.bytes.data(), field.bytes.size());
    return;
  }
  for (WireReader numbers(field.bytes); !numbers.at_end();)
    append_number(out, numbers.varint(), size);
}

}  // namespace

void read_typed_contents(std::string_view contents, const std::string& model,
                         engine::TensorView& tensor,
                         std::vector<std::unique_ptr<std::byte[]>>& storage) {
  const std::uint32_t wanted = field_of(tensor.type);
  if (wanted == 0)
    fail(ErrorCode::InvalidArgument, "input '", tensor.name, "' is ",
         engine::data_type_name(tensor.type), ", which only raw_input_contents can carry");
  std::size_t count = 0;
  WireField last;
  for (WireReader reader(contents); const auto field = reader.next();) {
    if (field->number >= kFieldTypes.size()) continue;
    if (field->number != wanted)
      fail(ErrorCode::InvalidArgument, "unexpected explicit tensor data for input tensor '",
           tensor.name, "' for model '", model, "' of type '", kFieldTypes[field->number],
           "', expected datatype '", engine::data_type_name(tensor.type), "'");
    ++count;
    last = *field;
  }
  const bool floats = tensor.type == DataType::Fp32 || tensor.type == DataType::Fp64;
  if (floats && count == 1 && last.kind == WireField::Kind::Bytes) {
    tensor.data = std::as_bytes(std::span(last.bytes.data(), last.bytes.size()));
    return;
  }
  // Read again instead of kept: a field is many times the two bytes that it may come from.
  std::vector<std::byte> bytes;
  for (WireReader reader(contents); const auto field = reader.next();) {
    if (field->number == wanted) append_elements(*field, tensor.type, bytes);
  }
  auto kept = std::make_unique<std::byte[]>(std::max<std::size_t>(bytes.size(), 1));
  std::copy(bytes.begin(), bytes.end(), kept.get());
  tensor.data = {kept.get(), bytes.size()};
  storage.push_back(std::move(kept));
}

}  // namespace jetcal::server::detail
