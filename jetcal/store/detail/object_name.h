// SPDX-License-Identifier: Apache-2.0
// What an object may be called.
#pragma once

#include <string>

namespace jetcal::store::detail {

/// Throws InvalidArgument unless `name` is relative, without empty components, "." and "..".
void check_name(const std::string& name);

}  // namespace jetcal::store::detail
