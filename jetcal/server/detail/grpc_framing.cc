// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/grpc_framing.h"

#include <algorithm>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::server::detail {
namespace {

constexpr std::size_t kMinCompressed = 1024;  // less than this does not pay
constexpr std::size_t kMaxTimeoutDigits = 8;

std::string_view coding_name(BodyCoding coding) {
  switch (coding) {
    case BodyCoding::Gzip:
      return "gzip";
    case BodyCoding::Deflate:
      return "deflate";
    case BodyCoding::Identity:
      break;
  }
  return "identity";
}

void append_prefix(std::string& out, bool compressed, std::size_t length) {
  out += static_cast<char>(compressed ? 1 : 0);
  for (int shift = 24; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<std::uint32_t>(length) >> static_cast<unsigned>(shift));
}

}  // namespace

void GrpcMessageReader::begin_message() {
  const auto byte = [this](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(prefix_[at]));
  };
  if (byte(0) > 1)
    fail(ErrorCode::InvalidArgument, "a gRPC message has the unknown flag ", byte(0));
  compressed_ = byte(0) == 1;
  length_ = byte(1) << 24U | byte(2) << 16U | byte(3) << 8U | byte(4);
  if (length_ > max_bytes_)
    fail(ErrorCode::ResourceExhausted, "Received message larger than max (", length_, " vs. ",
         max_bytes_, ")");
  if (compressed_ && coding_ == BodyCoding::Identity)
    fail(ErrorCode::InvalidArgument,
         "a gRPC message is compressed, but grpc-encoding names no compression");
  message_ = {};
  message_.reserve(length_, 0);
}

void GrpcMessageReader::feed(std::span<const char> bytes, const Sink& sink) {
  while (true) {
    if (prefix_size_ < kPrefix) {
      const std::size_t take = std::min(kPrefix - prefix_size_, bytes.size());
      std::copy_n(bytes.begin(), take, prefix_ + prefix_size_);
      prefix_size_ += take;
      bytes = bytes.subspan(take);
      if (prefix_size_ < kPrefix) return;
      begin_message();
    }
    const std::size_t take = std::min(length_ - message_.size(), bytes.size());
    message_.append(bytes.first(take));
    bytes = bytes.subspan(take);
    if (message_.size() < length_) return;
    prefix_size_ = 0;
    BodyBuffer whole = std::exchange(message_, {});
    if (compressed_) whole = decode_body(whole, coding_, max_bytes_, 0);
    sink(std::move(whole));
  }
}

std::optional<BodyCoding> grpc_coding(const HttpHead& head) {
  const std::string* const value = head.find("grpc-encoding");
  if (value == nullptr) return BodyCoding::Identity;
  for (const BodyCoding coding : {BodyCoding::Identity, BodyCoding::Gzip, BodyCoding::Deflate}) {
    if (*value == coding_name(coding)) return coding;
  }
  return std::nullopt;
}

bool grpc_accepts(const HttpHead& head, BodyCoding coding) {
  const std::string* const value = head.find("grpc-accept-encoding");
  return value != nullptr && value->find(coding_name(coding)) != std::string::npos;
}

void append_grpc_message(std::string& out, const GrpcMessage& message, BodyCoding coding) {
  std::size_t length = message.head.size();
  for (const auto part : message.tail) length += part.size();
  if (length > UINT32_MAX)
    fail(ErrorCode::ResourceExhausted, "the reply of ", length, " bytes is too large for gRPC");
  if (coding == BodyCoding::Identity || length < kMinCompressed) {
    out.reserve(out.size() + length + 5);
    append_prefix(out, false, length);
    out += message.head;
    for (const auto part : message.tail)
      out.append(reinterpret_cast<const char*>(part.data()), part.size());
    return;
  }
  HttpReply packed;
  packed.body = message.head;
  packed.tail = message.tail;
  encode_reply(packed, coding);
  append_prefix(out, true, packed.body.size());
  out += packed.body;
}

std::optional<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kMaxTimeoutDigits + 1) return std::nullopt;
  const auto digits = parse_number<std::int64_t>(text.substr(0, text.size() - 1));
  if (!digits || *digits < 0) return std::nullopt;
  const std::int64_t number = *digits;
  using namespace std::chrono;
  switch (text.back()) {
    case 'H':
      return hours(std::min<std::int64_t>(number, 100000));
    case 'M':
      return minutes(std::min<std::int64_t>(number, 6000000));
    case 'S':
      return seconds(number);
    case 'm':
      return milliseconds(number);
    case 'u':
      return microseconds(number);
    case 'n':
      return nanoseconds(number);
    default:
      return std::nullopt;
  }
}

std::string encode_grpc_text(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  static constexpr std::size_t kMaxText = 4096;
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool inside = (byte & 0xC0U) == 0x80U;  // of a character in UTF-8, at most three bytes
    if (out.size() >= kMaxText + (inside ? 9U : 0U)) return out + "...";
    if (byte >= 0x20 && byte <= 0x7E && c != '%') {
      out += c;
      continue;
    }
    out += '%';
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

}  // namespace jetcal::server::detail
