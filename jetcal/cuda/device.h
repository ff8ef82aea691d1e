// SPDX-License-Identifier: Apache-2.0
// The GPU in use, and how exact its matrix products are.
#pragma once

#include <string>
#include <string_view>

namespace jetcal::cuda {

/// Chooses the arithmetic of matrix products and the type in which large activations are kept.
enum class Precision {
  Float32,   ///< Like the CPU: float products, float sums.
  Tf32,      ///< Tensor cores round the factors of products to 10 bits of mantissa; sums are float.
  Bfloat16,  ///< Tensors of edges, and of the PFN's particles, are bfloat16 (7 bits), in memory and
             ///< as factors; sums, statistics, everything else, parameters and updates are float.
};

/// Returns "float32", "tf32" or "bfloat16".
std::string_view precision_name(Precision precision) noexcept;
/// Throws InvalidArgument for another name.
Precision parse_precision(std::string_view name);

/// Counts the GPUs this process can use; 0 where there is no driver.
int num_devices() noexcept;

/// Describes the GPU in use: name, compute capability, memory. Throws Unavailable without one.
std::string device_description();

}  // namespace jetcal::cuda
