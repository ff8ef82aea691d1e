// SPDX-License-Identifier: Apache-2.0
// Compressed bodies: gzip and deflate, both ways.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/server/http_message.h"

namespace jetcal::server {

enum class BodyCoding { Identity, Gzip, Deflate };

/// Reads Content-Encoding; nothing for a coding that is not supported.
std::optional<BodyCoding> content_coding(const HttpHead& head);

/// Chooses a coding from Accept-Encoding: gzip before deflate, identity when neither is accepted.
BodyCoding accepted_coding(const HttpHead& head);

/// Tells a body that expands too far, which is its sender's doing, from a lack of memory.
struct OversizedBody : Error {
  explicit OversizedBody(std::size_t max_bytes);
};

/// Expands a body. Throws InvalidArgument for corrupt data, OversizedBody (ResourceExhausted) when
/// the result would exceed `max_bytes`.
BodyBuffer decode_body(const BodyBuffer& body, BodyCoding coding, std::size_t max_bytes,
                       std::size_t align_at);

/// Compresses body and tail of a reply and says so in its headers.
void encode_reply(HttpReply& reply, BodyCoding coding);

}  // namespace jetcal::server
