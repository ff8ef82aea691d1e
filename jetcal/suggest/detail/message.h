// SPDX-License-Identifier: Apache-2.0
// Messages from bytes.
#pragma once

#include <limits>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::suggest::detail {

/// Throws InvalidArgument for bytes that are no such message.
template <typename Message>
Message parse(std::string_view bytes) {
  Message message;
  const bool whole = bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()) &&
                     message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (!whole) {
    fail(ErrorCode::InvalidArgument, "the request is no ", Message::descriptor()->full_name(), ": ",
         bytes.size(), " bytes");
  }
  return message;
}

}  // namespace jetcal::suggest::detail
