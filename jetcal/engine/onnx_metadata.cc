// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/onnx_metadata.h"

#include <cstdint>
#include <fstream>
#include <limits>

#include "jetcal/base/error.h"

namespace jetcal::engine {
namespace {

// Longer entries than any of ours; keeps a corrupt length from asking for all memory.
constexpr std::uint64_t kMaxEntry = 16U << 20U;

/// Walks over the fields of a protobuf message in a stream.
class FieldReader {
 public:
  FieldReader(std::istream& in, std::uint64_t size, const std::string& source)
      : in_(in), left_(size), source_(source) {}

  /// Moves to the next field; false at the end.
  bool next() {
    if (left_ == 0) return false;
    const std::uint64_t key = varint();
    number_ = key >> 3U;
    wire_ = static_cast<int>(key & 7U);
    length_ = wire_ == 2 ? varint() : wire_ == 1 ? 8 : wire_ == 5 ? 4 : 0;
    if (wire_ == 3 || wire_ == 4 || wire_ > 5 || number_ == 0 || length_ > left_) broken();
    if (wire_ == 0) varint();
    return true;
  }
  std::uint64_t number() const { return number_; }
  bool has_bytes() const { return wire_ == 2; }

  std::string bytes() {
    if (length_ > kMaxEntry) broken();
    std::string out(length_, '\0');
    in_.read(out.data(), static_cast<std::streamsize>(length_));
    left_ -= length_;
    if (!in_) broken();
    return out;
  }

  void skip() {
    in_.seekg(static_cast<std::streamoff>(length_), std::ios::cur);
    left_ -= length_;
    if (!in_) broken();
  }

 private:
  [[noreturn]] void broken() const {
    fail(ErrorCode::DataLoss, source_, " is truncated or not an ONNX model");
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (left_ == 0) broken();
      const int byte = in_.get();
      if (byte == std::char_traits<char>::eof()) broken();
      --left_;
      value |= (static_cast<std::uint64_t>(byte) & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    broken();
  }

  std::istream& in_;
  std::uint64_t left_;
  const std::string& source_;
  std::uint64_t number_ = 0, length_ = 0;
  int wire_ = 0;
};

}  // namespace

std::map<std::string, std::string> read_onnx_metadata(const std::filesystem::path& path) {
  const std::string source = path.string();
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(ErrorCode::NotFound, "no such file: ", source);
  std::map<std::string, std::string> metadata;
  FieldReader model(in, std::filesystem::file_size(path), source);
  constexpr std::uint64_t kMetadataProps = 14;  // of ModelProto
  while (model.next()) {
    if (model.number() != kMetadataProps || !model.has_bytes()) {
      model.skip();
      continue;
    }
    const std::string bytes = model.bytes();
    std::istringstream entry_stream(bytes);
    FieldReader entry(entry_stream, bytes.size(), source);
    std::string key;
    std::string value;
    while (entry.next()) {
      if (entry.has_bytes() && entry.number() == 1) {
        key = entry.bytes();
      } else if (entry.has_bytes() && entry.number() == 2) {
        value = entry.bytes();
      } else {
        entry.skip();
      }
    }
    metadata[key] = value;
  }
  return metadata;
}

}  // namespace jetcal::engine
