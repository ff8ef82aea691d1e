// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/body_coding.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: 15 bits of window, 16 asks for gzip
constexpr int kZlibWindow = 15;
constexpr int kRawWindow = -15;
constexpr int kMemoryLevel = 8;
constexpr std::size_t kChunk = std::size_t{64} << 10;
constexpr std::size_t kMaxStep = std::size_t{1} << 30;  // zlib counts in 32 bits

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool same_name(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

// Ends a zlib stream whatever happens.
struct Inflater {
  z_stream stream{};
  explicit Inflater(int window) {
    if (::inflateInit2(&stream, window) != Z_OK)
      fail(ErrorCode::ResourceExhausted, "no memory to expand a request body");
  }
  ~Inflater() { ::inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

struct Deflater {
  z_stream stream{};
  explicit Deflater(int window) {
    if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window, kMemoryLevel,
                       Z_DEFAULT_STRATEGY) != Z_OK)
      fail(ErrorCode::ResourceExhausted, "no memory to compress a reply");
  }
  ~Deflater() { ::deflateEnd(&stream); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
};

// "deflate" means the zlib format, but some clients send the bare stream.
int window_of(BodyCoding coding, std::string_view body) {
  if (coding == BodyCoding::Gzip) return kGzipWindow;
  const bool zlib =
      body.size() >= 2 && (static_cast<unsigned char>(body[0]) & 15) == Z_DEFLATED &&
      (static_cast<unsigned char>(body[0]) * 256U + static_cast<unsigned char>(body[1])) % 31 == 0;
  return zlib ? kZlibWindow : kRawWindow;
}

void deflate_part(Deflater& deflater, const void* data, std::size_t size, bool last,
                  std::string& out) {
  std::array<char, kChunk> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by zlib
  z_stream& stream = deflater.stream;
  const auto* next = static_cast<const Bytef*>(data);
  do {
    const std::size_t step = std::min(size, kMaxStep);
    stream.next_in = const_cast<Bytef*>(next);
    stream.avail_in = static_cast<uInt>(step);
    next += step;
    size -= step;
    do {
      stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
      stream.avail_out = static_cast<uInt>(chunk.size());
      ::deflate(&stream, last && size == 0 ? Z_FINISH : Z_NO_FLUSH);
      out.append(chunk.data(), chunk.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  } while (size > 0);
}

}  // namespace

std::optional<BodyCoding> content_coding(const HttpHead& head) {
  const std::string* const value = head.find("content-encoding");
  if (value == nullptr) return BodyCoding::Identity;
  const std::string_view name = trim(*value);
  if (name.empty() || same_name(name, "identity")) return BodyCoding::Identity;
  if (same_name(name, "gzip") || same_name(name, "x-gzip")) return BodyCoding::Gzip;
  if (same_name(name, "deflate")) return BodyCoding::Deflate;
  return std::nullopt;
}

BodyCoding accepted_coding(const HttpHead& head) {
  const std::string* const value = head.find("accept-encoding");
  if (value == nullptr) return BodyCoding::Identity;
  bool gzip = false;
  bool deflate = false;
  std::string_view rest = *value;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const std::string_view name = trim(item.substr(0, item.find(';')));
    const std::size_t weight = item.find("q=");
    double quality = 1;
    if (weight != std::string_view::npos)
      std::from_chars(item.data() + weight + 2, item.data() + item.size(), quality);
    if (quality <= 0) continue;
    gzip = gzip || same_name(name, "gzip");
    deflate = deflate || same_name(name, "deflate");
  }
  if (gzip) return BodyCoding::Gzip;
  return deflate ? BodyCoding::Deflate : BodyCoding::Identity;
}

OversizedBody::OversizedBody(std::size_t max_bytes)
    : Error(ErrorCode::ResourceExhausted, "the expanded request body is larger than the limit of " +
                                              std::to_string(max_bytes) + " bytes") {}

BodyBuffer decode_body(const BodyBuffer& body, BodyCoding coding, std::size_t max_bytes,
                       std::size_t align_at) {
  Inflater inflater(window_of(coding, body.view()));
  z_stream& stream = inflater.stream;
  BodyBuffer decoded;
  decoded.reserve(std::min(std::max(body.size() * 4, kChunk), max_bytes + 1), align_at);
  std::size_t fed = 0;
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    if (stream.avail_in == 0) {
      const std::size_t step = std::min(body.size() - fed, kMaxStep);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data())) + fed;
      stream.avail_in = static_cast<uInt>(step);
      fed += step;
    }
    if (decoded.free_space().empty())
      decoded.reserve(std::min(decoded.capacity() * 2, max_bytes + 1), align_at);
    const std::span<char> room = decoded.free_space();
    const std::size_t wanted = std::min(room.size(), kMaxStep);
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(wanted);
    status = ::inflate(&stream, Z_NO_FLUSH);
    decoded.advance(wanted - stream.avail_out);
    if (decoded.size() > max_bytes) throw OversizedBody(max_bytes);
    const bool starved = stream.avail_in == 0 && fed == body.size() && stream.avail_out > 0;
    if (status != Z_STREAM_END && (status != Z_OK || starved))
      fail(ErrorCode::InvalidArgument, "the compressed request body is ",
           starved ? "truncated" : "corrupt");
  }
  if (stream.avail_in > 0 || fed < body.size())
    fail(ErrorCode::InvalidArgument, "the compressed request body has bytes behind its end");
  return decoded;
}

void encode_reply(HttpReply& reply, BodyCoding coding) {
  if (coding == BodyCoding::Identity) return;
  Deflater deflater(coding == BodyCoding::Gzip ? kGzipWindow : kZlibWindow);
  std::string packed;
  deflate_part(deflater, reply.body.data(), reply.body.size(), reply.tail.empty(), packed);
  for (std::size_t i = 0; i < reply.tail.size(); ++i)
    deflate_part(deflater, reply.tail[i].data(), reply.tail[i].size(), i + 1 == reply.tail.size(),
                 packed);
  reply.body = std::move(packed);
  reply.tail.clear();
  reply.tail_owner.reset();
  reply.headers.push_back({"Content-Encoding", coding == BodyCoding::Gzip ? "gzip" : "deflate"});
}

}  // namespace jetcal::server
