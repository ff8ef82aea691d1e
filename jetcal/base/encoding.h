// SPDX-License-Identifier: Apache-2.0
// Bytes as text that a format takes: UTF-8, base64, percent encoding.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jetcal {

/// Returns the length of the UTF-8 sequence at `at`, or 0 when there is none (overlong forms,
/// surrogates and values above U+10FFFF included).
std::size_t utf8_length(std::string_view text, std::size_t at) noexcept;

bool is_utf8(std::string_view text) noexcept;

/// Returns the text with U+FFFD in place of each byte that is not UTF-8.
std::string as_utf8(std::string_view text);

/// Returns the bytes in base64 with padding (RFC 4648).
std::string base64(std::string_view bytes);

/// Percent-encodes all but letters, digits and "-._~" (RFC 3986), and '/' unless it is kept.
std::string percent_encoded(std::string_view text, bool keep_slash = false);

}  // namespace jetcal
