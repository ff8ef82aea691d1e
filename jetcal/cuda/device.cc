// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cuda/device.h"

#include "jetcal/base/error.h"

namespace jetcal::cuda {

std::string_view precision_name(Precision precision) noexcept {
  switch (precision) {
    case Precision::Float32:
      return "float32";
    case Precision::Tf32:
      return "tf32";
    case Precision::Bfloat16:
      break;
  }
  return "bfloat16";
}

Precision parse_precision(std::string_view name) {
  for (const Precision precision : {Precision::Float32, Precision::Tf32, Precision::Bfloat16}) {
    if (name == precision_name(precision)) return precision;
  }
  fail(ErrorCode::InvalidArgument, "precision: expected float32, tf32 or bfloat16, got '", name,
       "'");
}

}  // namespace jetcal::cuda
