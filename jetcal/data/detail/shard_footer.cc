// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/shard_footer.h"

#include <bit>
#include <cstring>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::data::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "flatbuffers are little-endian");

constexpr std::string_view kMagic = "ARROW1";

// The few steps through a flatbuffer that lead to a vector of structures, each within its bounds.
class Flatbuffer {
 public:
  Flatbuffer(const std::string& name, std::span<const std::byte> bytes)
      : name_(name), bytes_(bytes) {}

  template <typename T>
  T at(std::size_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) broken();
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  /// Follows the offset that stands at `offset`.
  std::size_t follow(std::size_t offset) const { return offset + at<std::uint32_t>(offset); }
  /// Returns where field `index` of the table at `table` stands, or 0 where it is absent.
  std::size_t field(std::size_t table, std::size_t index) const {
    const auto back = static_cast<std::int64_t>(at<std::int32_t>(table));
    const auto vtable = static_cast<std::size_t>(static_cast<std::int64_t>(table) - back);
    const std::size_t slot = 4 + 2 * index;
    if (slot + 2 > at<std::uint16_t>(vtable)) return 0;
    const auto offset = at<std::uint16_t>(vtable + slot);
    return offset == 0 ? 0 : table + offset;
  }
  [[noreturn]] void broken() const {
    fail(ErrorCode::DataLoss, "corrupt shard ", name_, ": its footer makes no sense");
  }

 private:
  const std::string& name_;
  std::span<const std::byte> bytes_;
};

}  // namespace

std::int64_t footer_bytes(const std::string& name, std::span<const std::byte> end,
                          std::int64_t file_bytes) {
  std::int32_t length = 0;
  const bool ends_well =
      std::ssize(end) == kFooterEnd &&
      std::memcmp(end.data() + sizeof(length), kMagic.data(), kMagic.size()) == 0;
  if (ends_well) std::memcpy(&length, end.data(), sizeof(length));
  if (!ends_well || length <= 0 || length > file_bytes - kFooterEnd) {
    fail(ErrorCode::DataLoss, "corrupt shard ", name, ": ", file_bytes,
         " bytes that do not end as an Arrow file does; it may be truncated");
  }
  return length;
}

std::vector<BatchPlace> parse_footer(const std::string& name, std::span<const std::byte> footer,
                                     std::int64_t file_bytes) {
  const Flatbuffer flat(name, footer);
  constexpr std::size_t kRecordBatches = 3;  // Footer: version, schema, dictionaries, recordBatches
  constexpr std::size_t kBlock = 24;         // Block: int64, int32, padding, int64
  std::vector<BatchPlace> places;
  const std::size_t field = flat.field(flat.follow(0), kRecordBatches);
  if (field == 0) return places;
  const std::size_t vector = flat.follow(field);
  const auto count = flat.at<std::uint32_t>(vector);
  if (count > footer.size() / kBlock) flat.broken();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t block = vector + 4 + i * kBlock;
    const BatchPlace place{flat.at<std::int64_t>(block), flat.at<std::int32_t>(block + 8),
                           flat.at<std::int64_t>(block + 16)};
    if (place.offset < 0 || place.description_bytes < 8 || place.body_bytes < 0 ||
        place.offset > file_bytes || place.body_bytes > file_bytes ||
        place.offset + place.bytes() > file_bytes) {
      flat.broken();
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace jetcal::data::detail
