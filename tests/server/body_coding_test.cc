// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/body_coding.h"

#include <gtest/gtest.h>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

BodyBuffer packed(const std::string& text, BodyCoding coding) {
  HttpReply reply;
  reply.body = text.substr(0, text.size() / 2);
  const auto rest = std::as_bytes(std::span(text)).subspan(reply.body.size());
  if (!rest.empty()) reply.tail = {rest.first(rest.size() / 2), rest.subspan(rest.size() / 2)};
  encode_reply(reply, coding);
  BodyBuffer body;
  body.reserve(reply.body.size(), 0);
  body.append(reply.body);
  return body;
}

ErrorCode code_of(const BodyBuffer& body, BodyCoding coding, std::size_t limit) {
  try {
    decode_body(body, coding, limit, 0);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(BodyCoding, RoundTripsBothCodings) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i * 7919 % 1000);
  for (const BodyCoding coding : {BodyCoding::Gzip, BodyCoding::Deflate}) {
    for (const std::string& plain : {std::string(), std::string("x"), text}) {
      const BodyBuffer body = decode_body(packed(plain, coding), coding, 1000000, 5);
      EXPECT_EQ(body.view(), plain);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(body.data() + 5) % 64, 0U);
    }
  }
}

TEST(BodyCoding, RefusesTruncatedCorruptAndPaddedBodies) {
  const BodyBuffer whole = packed("some text that is packed", BodyCoding::Gzip);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    BodyBuffer part;
    part.reserve(length, 0);
    part.append({whole.data(), length});
    EXPECT_EQ(code_of(part, BodyCoding::Gzip, 1000), ErrorCode::InvalidArgument) << length;
  }
  BodyBuffer longer;
  longer.append({whole.data(), whole.size()});
  longer.append(std::string("x"));
  EXPECT_EQ(code_of(longer, BodyCoding::Gzip, 1000), ErrorCode::InvalidArgument);
  BodyBuffer corrupt;
  corrupt.append({whole.data(), whole.size()});
  corrupt.data()[whole.size() - 5] ^= 1;
  EXPECT_EQ(code_of(corrupt, BodyCoding::Gzip, 1000), ErrorCode::InvalidArgument);
}

TEST(BodyCoding, StopsAtTheLimit) {
  const BodyBuffer bomb = packed(std::string(5000000, '0'), BodyCoding::Gzip);
  EXPECT_LT(bomb.size(), 100000U);
  EXPECT_EQ(code_of(bomb, BodyCoding::Gzip, 4999999), ErrorCode::ResourceExhausted);
  EXPECT_EQ(decode_body(bomb, BodyCoding::Gzip, 5000000, 0).size(), 5000000U);
}

TEST(BodyCoding, ReadsTheHeaders) {
  HttpHead head;
  EXPECT_EQ(content_coding(head), BodyCoding::Identity);
  EXPECT_EQ(accepted_coding(head), BodyCoding::Identity);
  head.headers = {{"content-encoding", " GZIP "}, {"accept-encoding", "deflate, gzip;q=0"}};
  EXPECT_EQ(content_coding(head), BodyCoding::Gzip);
  EXPECT_EQ(accepted_coding(head), BodyCoding::Deflate);
  head.headers = {{"content-encoding", "br"}, {"accept-encoding", "br, gzip;q=0.5, deflate"}};
  EXPECT_EQ(content_coding(head), std::nullopt);
  EXPECT_EQ(accepted_coding(head), BodyCoding::Gzip);
}

}  // namespace
}  // namespace jetcal::server
