// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/wire_reader.h"

#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::server::detail {
namespace {

[[noreturn]] void malformed() {
  fail(ErrorCode::InvalidArgument, "the gRPC message is not a valid protobuf message");
}

}  // namespace

std::uint64_t WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80U) return value;
  }
  malformed();
}

std::uint64_t WireReader::fixed(std::size_t size) {
  if (rest_.size() < size) malformed();
  std::uint64_t value = 0;
  std::memcpy(&value, rest_.data(), size);  // both are little-endian
  rest_.remove_prefix(size);
  return value;
}

std::optional<WireField> WireReader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::uint64_t tag = varint();
  WireField field;
  field.number = static_cast<std::uint32_t>(tag >> 3U);
  if (field.number == 0 || tag >> 32U != 0) malformed();
  field.kind = static_cast<WireField::Kind>(tag & 7U);
  switch (field.kind) {
    case WireField::Kind::Varint:
      field.value = varint();
      return field;
    case WireField::Kind::Fixed64:
      field.value = fixed(8);
      return field;
    case WireField::Kind::Fixed32:
      field.value = fixed(4);
      return field;
    case WireField::Kind::Bytes: {
      const std::uint64_t size = varint();
      if (size > rest_.size()) malformed();
      field.bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return field;
    }
  }
  malformed();
}

}  // namespace jetcal::server::detail
