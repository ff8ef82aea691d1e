// SPDX-License-Identifier: Apache-2.0
#include <zlib.h>

#include <array>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/jec/detail/text_reader.h"

namespace jetcal::jec::detail {

static constexpr std::size_t kMaxUnpacked = std::size_t{1} << 31U;  // a bomb, not a correction

static std::string unpack(const std::filesystem::path& path, const std::string& packed) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;
  if (inflateInit2(&stream, kGzip) != Z_OK)
    fail(ErrorCode::ResourceExhausted, path.string(), ": no memory to unpack");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib's signature
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string text;
  std::array<char, 65536> buffer{};
  int status = Z_OK;
  while (status == Z_OK && text.size() < kMaxUnpacked) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    status = inflate(&stream, Z_NO_FLUSH);
    text.append(buffer.data(), buffer.size() - stream.avail_out);
    if (status == Z_STREAM_END && stream.avail_in > 0) status = inflateReset(&stream);
  }
  inflateEnd(&stream);
  if (text.size() >= kMaxUnpacked)
    fail(ErrorCode::ResourceExhausted, path.string(), ": unpacks to more than 2 GiB");
  if (status != Z_STREAM_END) {
    fail(ErrorCode::DataLoss, path.string(), ": the gzip file is ",
         status == Z_BUF_ERROR ? "truncated" : "damaged", " after ", text.size(),
         " unpacked bytes");
  }
  return text;
}

bool is_json_name(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".json") || name.ends_with(".json.gz");
}

std::string read_maybe_gzip(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path))
    fail(ErrorCode::InvalidArgument, path.string(), " is a folder, not a correction file");
  std::string content = read_file(path);
  if (content.starts_with("\x1f\x8b")) return unpack(path, content);
  return content;
}

}  // namespace jetcal::jec::detail
