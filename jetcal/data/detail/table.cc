// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/table.h"

#include "jetcal/base/error.h"

namespace jetcal::data::detail {

void fail_missing(const std::string& path, const std::string& branch) {
  fail(ErrorCode::InvalidArgument, "missing branch ", branch, " in ", path);
}

void fail_type(const std::string& path, const std::string& branch, Kind kind, Shape shape,
               std::string_view found) {
  fail(ErrorCode::InvalidArgument, "wrong type of branch ", branch, " in ", path, ": it holds ",
       found, ", needed is ", shape == Shape::Scalar ? "one " : "a list of ",
       kind == Kind::Integer ? "integer" : "float or double",
       shape == Shape::Scalar ? " per entry" : " values");
}

}  // namespace jetcal::data::detail
