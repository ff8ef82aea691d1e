// SPDX-License-Identifier: Apache-2.0
// Tensor data as JSON numbers, flat or nested, and back.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "jetcal/engine/tensor.h"

namespace jetcal::server::detail {

/// Converts the member "data" of input `tensor` (name, type and shape are set) into new memory and
/// points tensor.data at it. `json_bytes` bounds how many numbers there can be. Throws
/// InvalidArgument naming the input.
std::unique_ptr<std::byte[]> read_json_data(const simdjson::dom::array& data,
                                            std::size_t json_bytes, engine::TensorView& tensor);

/// Appends `"data":[...]`: shortest digits that give the same float back, null where a number is
/// not finite. Throws InvalidArgument for types that JSON cannot carry.
void append_json_data(std::string& out, const engine::Tensor& tensor);

}  // namespace jetcal::server::detail
