// SPDX-License-Identifier: Apache-2.0
// Tensor data as the repeated fields of InferTensorContents.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/engine/tensor.h"

namespace jetcal::server::detail {

/// Points tensor.data (name and type are set) at the numbers of `contents`: where they lie when the
/// wire has them as memory does, else in new storage. Throws InvalidArgument when they are of
/// another type.
void read_typed_contents(std::string_view contents, const std::string& model,
                         engine::TensorView& tensor,
                         std::vector<std::unique_ptr<std::byte[]>>& storage);

}  // namespace jetcal::server::detail
