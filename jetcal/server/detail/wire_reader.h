// SPDX-License-Identifier: Apache-2.0
// Reads the fields of a protobuf message where they lie, without copying bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace jetcal::server::detail {

/// One field: a number in `value`, or bytes in `bytes`.
struct WireField {
  enum class Kind { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };
  std::uint32_t number = 0;
  Kind kind = Kind::Varint;
  std::uint64_t value = 0;
  std::string_view bytes;
};

/// Throws InvalidArgument when the bytes are not a chain of fields.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) noexcept : rest_(bytes) {}
  /// Nothing at the end.
  std::optional<WireField> next();
  /// Reads a number of a packed field; the reader must stand on one.
  std::uint64_t varint();
  bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::uint64_t fixed(std::size_t size);
  std::string_view rest_;
};

}  // namespace jetcal::server::detail
