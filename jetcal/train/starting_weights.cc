// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/starting_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/train/parameter_groups.h"

namespace jetcal::train {
namespace {

constexpr const char* kExcludeField = "training.init_exclude";

const models::TensorSlice* find(const std::vector<models::TensorSlice>& slices,
                                const std::string& name) {
  const auto found = std::find_if(slices.begin(), slices.end(),
                                  [&name](const auto& slice) { return slice.name == name; });
  return found == slices.end() ? nullptr : &*found;
}

void take(const std::vector<models::TensorSlice>& from, const std::vector<float>& source,
          const std::vector<std::string>& exclude, const std::vector<models::TensorSlice>& to,
          std::vector<float>& values) {
  for (const models::TensorSlice& slice : to) {
    if (matches_any(exclude, slice.name)) continue;
    const models::TensorSlice* const other = find(from, slice.name);
    if (other == nullptr) {
      fail(ErrorCode::InvalidArgument, "the model to start from has no tensor '", slice.name,
           "'; a pattern in ", kExcludeField, " lets it start at random");
    }
    if (other->shape != slice.shape) {
      fail(ErrorCode::InvalidArgument, "tensor '", slice.name, "' has the shape ",
           fmt::format("[{}]", fmt::join(other->shape, ", ")), " in the model to start from and ",
           fmt::format("[{}]", fmt::join(slice.shape, ", ")), " here; a pattern in ", kExcludeField,
           " lets it start at random");
    }
    std::copy_n(source.begin() + other->offset, slice.size, values.begin() + slice.offset);
  }
  for (const models::TensorSlice& slice : from) {
    if (find(to, slice.name) != nullptr || matches_any(exclude, slice.name)) continue;
    fail(ErrorCode::InvalidArgument, "this network has no tensor '", slice.name,
         "' of the model to start from; a pattern in ", kExcludeField, " leaves it out");
  }
}

void require_match(const std::vector<std::string>& exclude, const models::Model& source,
                   const models::Model& model) {
  for (const std::string& pattern : exclude) {
    const auto fits = [&pattern](const auto& slice) { return matches_any({pattern}, slice.name); };
    const auto any = [&fits](const std::vector<models::TensorSlice>& slices) {
      return std::any_of(slices.begin(), slices.end(), fits);
    };
    if (any(source.layout.parameters) || any(source.layout.buffers) ||
        any(model.layout.parameters) || any(model.layout.buffers)) {
      continue;
    }
    fail(ErrorCode::InvalidArgument, kExcludeField, ": no tensor matches '", pattern, "'");
  }
}

}  // namespace

void take_weights(const models::Model& source, const std::vector<std::string>& exclude,
                  models::Model& model) {
  require_match(exclude, source, model);
  if (source.config.standardise != model.config.standardise) {
    fail(ErrorCode::InvalidArgument, "the model to start from ",
         source.config.standardise ? "standardises" : "does not standardise",
         " its inputs, this network ", model.config.standardise ? "does" : "does not",
         ": set model.standardise alike");
  }
  if (source.config.features != model.config.features ||
      source.config.target != model.config.target) {
    fail(ErrorCode::InvalidArgument, "the model to start from has the features '",
         edm::feature_set_name(source.config.features), "' and the target '",
         edm::reference_name(source.config.target), "', this network others");
  }
  take(source.layout.parameters, source.parameters, exclude, model.layout.parameters,
       model.parameters);
  take(source.layout.buffers, source.buffers, exclude, model.layout.buffers, model.buffers);
  model.standardisation = source.standardisation;
}

}  // namespace jetcal::train
