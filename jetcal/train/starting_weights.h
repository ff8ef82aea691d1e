// SPDX-License-Identifier: Apache-2.0
// Weights that a run starts from: another model's, tensor by tensor.
#pragma once

#include <string>
#include <vector>

#include "jetcal/models/model.h"

namespace jetcal::train {

/// Sets where the weights come from; without a file they are random.
struct StartOptions {
  std::string model;                 ///< A model file.
  std::vector<std::string> exclude;  ///< Patterns of names that stay random.
};

/// Takes parameters and running statistics of `source` for all tensors of `model` of the same name
/// that no pattern excludes, and its standardisation where `model` has one.
///
/// Throws InvalidArgument naming the tensor when one is missing on either side or has another
/// shape, when only one of the two networks standardises its inputs, and for a pattern that matches
/// nothing. Then `model` is half done and must not be used.
void take_weights(const models::Model& source, const std::vector<std::string>& exclude,
                  models::Model& model);

}  // namespace jetcal::train
