// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/jet_rows.h"

#include "jetcal/base/error.h"

namespace jetcal::data {

using detail::Kind;
using detail::Shape;

bool RootJetReader::Rows::has_branch(const std::string& name) const { return table_->has(name); }

NumberColumn RootJetReader::Rows::bind_branch(const std::string& name, const RootSource& source) {
  path_ = source.path.string();
  const std::optional<detail::ColumnType> type = table_->type(name);
  if (!type) detail::fail_missing(path_, name);
  if (!type->kind) {
    fail(ErrorCode::InvalidArgument, "the branch ", name, " in ", path_,
         " does not hold numbers but ", type->name);
  }
  if (type->shape == Shape::List && !source.rows_are_events()) {
    fail(ErrorCode::InvalidArgument, "the branch ", name, " in ", path_, " holds ", type->name,
         " per jet, not one number");
  }
  NumberColumn column{name, NumberType::Real, {}, {}};
  if (*type->kind == Kind::Integer)
    column.type = type->is_unsigned ? NumberType::Unsigned : NumberType::Integer;
  const Kind kind = *type->kind == Kind::Integer ? Kind::Integer : Kind::Wide;
  branches_.push_back({table_->bind(name, kind, type->shape), type->shape == Shape::List});
  return column;
}

void RootJetReader::Rows::append_branches(std::int64_t entry, std::int64_t num_jets,
                                          std::vector<NumberColumn>& branches) {
  const auto append = [&](const auto& values, bool per_jet, const std::string& name, auto& to) {
    if (!per_jet) {
      to.insert(to.end(), static_cast<std::size_t>(num_jets), values.front());
      return;
    }
    if (std::ssize(values) != num_jets) {
      fail(ErrorCode::DataLoss, "entry ", entry, " of ", path_, " has ", num_jets, " jets but ",
           values.size(), " values in the branch ", name);
    }
    to.insert(to.end(), values.begin(), values.end());
  };
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const BoundBranch& bound = branches_[i];
    if (branches[i].type == NumberType::Real) {
      append(table_->wide_reals(bound.handle), bound.per_jet, branches[i].name, branches[i].real);
    } else {
      append(table_->integers(bound.handle), bound.per_jet, branches[i].name, branches[i].integer);
    }
  }
}

}  // namespace jetcal::data
