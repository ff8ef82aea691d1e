// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/object_name.h"

#include <algorithm>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::store::detail {

void check_name(const std::string& name) {
  std::size_t start = 0;
  while (true) {
    const std::size_t slash = std::min(name.find('/', start), name.size());
    const std::string_view part = std::string_view(name).substr(start, slash - start);
    if (part.empty() || part == "." || part == "..") {
      fail(ErrorCode::InvalidArgument, "'", name,
           "' cannot be the name of an object: it must be relative, without empty parts, . and ..");
    }
    if (slash == name.size()) return;
    start = slash + 1;
  }
}

}  // namespace jetcal::store::detail
