// SPDX-License-Identifier: Apache-2.0
// Text as a number, the same whatever the locale.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace jetcal {

/// Returns what the whole of `text` says: digits with '-' and, for a floating-point T, '.', 'e',
/// "inf" and "nan"; no '+' and no blanks. Nothing for any other text and for a number T cannot
/// hold.
template <typename T>
std::optional<T> parse_number(std::string_view text) noexcept {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// As parse_number, for formats that let a number begin with '+'.
template <typename T>
std::optional<T> parse_signed_number(std::string_view text) noexcept {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  return parse_number<T>(text);
}

}  // namespace jetcal
