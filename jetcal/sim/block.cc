// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/block.h"

#include <cstring>
#include <string>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::sim {

namespace {

constexpr std::uint64_t kMagic = 0x314B4C424D495343ULL;  // "CSIMBLK1"

class ByteWriter {
 public:
  template <typename T>
  void value(const T& v) {
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof(v));
  }
  template <typename T>
  void list(const std::vector<T>& values) {
    value(static_cast<std::uint64_t>(values.size()));
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Reads what ByteWriter wrote; past the end everything is zero and good() turns false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  void value(T& v) {
    take(&v, sizeof(v));
  }
  template <typename T>
  void list(std::vector<T>& values) {
    std::uint64_t size = 0;
    value(size);
    good_ = good_ && size <= bytes_.size() / sizeof(T);
    values.resize(good_ ? size : 0);
    take(values.data(), values.size() * sizeof(T));
  }
  bool at_end() const { return good_ && bytes_.empty(); }
  bool good() const { return good_; }

 private:
  void take(void* to, std::size_t size) {
    good_ = good_ && size <= bytes_.size();
    if (!good_ || size == 0) return;
    std::memcpy(to, bytes_.data(), size);
    bytes_.remove_prefix(size);
  }
  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace

void write_block(const std::filesystem::path& path, std::uint64_t fingerprint, const Block& block) {
  ByteWriter out;
  out.value(kMagic);
  out.value(fingerprint);
  out.value(block.num_events);
  out.value(block.num_accepted);
  out.list(block.failed_events);
  out.value(block.num_outside);
  out.value(block.cpu_seconds);
  out.list(block.calibration_jets);
  out.list(block.calibration_events);
  out.value(static_cast<std::uint64_t>(block.rows.size()));
  for (const JetRow& row : block.rows) {
    out.value(row.values);
#define JETCAL_LIST(type, name, leaf) out.list(row.name);
    JETCAL_ROW_CANDIDATES(JETCAL_LIST)
    JETCAL_ROW_GEN_PARTICLES(JETCAL_LIST)
#undef JETCAL_LIST
  }
  write_file(path, out.bytes());
}

std::optional<Block> read_block(const std::filesystem::path& path, std::uint64_t fingerprint) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const std::string bytes = read_file(path);
  ByteReader in(bytes);
  std::uint64_t magic = 0;
  std::uint64_t made_with = 0;
  std::uint64_t num_rows = 0;
  Block block;
  in.value(magic);
  in.value(made_with);
  if (magic != kMagic || made_with != fingerprint) return std::nullopt;
  in.value(block.num_events);
  in.value(block.num_accepted);
  in.list(block.failed_events);
  in.value(block.num_outside);
  in.value(block.cpu_seconds);
  in.list(block.calibration_jets);
  in.list(block.calibration_events);
  in.value(num_rows);
  for (std::uint64_t i = 0; in.good() && i < num_rows; ++i) {
    JetRow& row = block.rows.emplace_back();
    in.value(row.values);
#define JETCAL_LIST(type, name, leaf) in.list(row.name);
    JETCAL_ROW_CANDIDATES(JETCAL_LIST)
    JETCAL_ROW_GEN_PARTICLES(JETCAL_LIST)
#undef JETCAL_LIST
  }
  if (!in.at_end()) return std::nullopt;
  return block;
}

}  // namespace jetcal::sim
