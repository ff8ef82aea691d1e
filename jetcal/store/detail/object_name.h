// SPDX-License-Identifier: Apache-2.0
// What an object may be called.
#pragma once

#include <string>

namespace jetcal::store::detail {

/// Throws InvalidArgument unless `name` is relative, without empty components, "." and "..".
void check_name(const std::string& name);

/// Percent-encodes all but letters, digits and "-._~", and keeps '/' where `keep_slash` says so, as
/// AWS signs it.
std::string percent_encoded(const std::string& text, bool keep_slash);

}  // namespace jetcal::store::detail
