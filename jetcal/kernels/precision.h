// SPDX-License-Identifier: Apache-2.0
// The number formats of inference.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jetcal::kernels {

/// Names the numbers that large products of inference multiply; they are added up in 32 bits.
enum class Precision {
  Float32,
  Bfloat16,  ///< Eight significant bits; needs AVX512_BF16.
  Int16,     ///< Activations of 13 bits, scaled row by row; weights of up to 16, output by output.
  Int8,      ///< Activations and weights of 7 bits, scaled likewise.
};

std::string_view precision_name(Precision precision) noexcept;  ///< float32, bf16, int16, int8
/// Throws InvalidArgument for another name.
Precision parse_precision(std::string_view name);

/// Returns the precision for layers whose results are not averaged over many rows: Int16 instead of
/// Int8, whose levels would show.
Precision unaveraged(Precision precision) noexcept;

/// Tells whether the variant of the kernels in use has products in this precision.
bool supports(Precision precision);

/// Lists the precisions that supports() affirms.
std::vector<Precision> supported_precisions();

/// Throws Unimplemented, saying what the CPU lacks and what it has, unless supports(precision).
void require_support(Precision precision);

}  // namespace jetcal::kernels
