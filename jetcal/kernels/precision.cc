// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/precision.h"

#include "jetcal/base/error.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/quantised_table.h"
#include "jetcal/kernels/isa.h"

namespace jetcal::kernels {
namespace {

constexpr Precision kAll[] = {Precision::Float32, Precision::Bfloat16, Precision::Int16,
                              Precision::Int8};

bool cpu_has_vnni() {
  static const bool has = __builtin_cpu_supports("avx512vnni") > 0;
  return has;
}

bool cpu_has_bfloat16() {
  static const bool has = __builtin_cpu_supports("avx512bf16") > 0;
  return has;
}

}  // namespace

namespace detail {

const QuantisedKernels& quantised_kernels(Isa isa, Precision precision) {
  if (precision == Precision::Int16) return pick(isa, kInt16Ref, kInt16Avx2, kInt16Avx512);
  if (isa == Isa::Amx) return precision == Precision::Bfloat16 ? kBfloat16Amx : kInt8Amx;
  if (precision == Precision::Bfloat16) return isa == Isa::Avx512 ? kBfloat16Avx512 : kBfloat16Ref;
  return pick(isa, kInt8Ref, kInt8Avx2, cpu_has_vnni() ? kInt8Vnni : kInt8Avx512);
}

}  // namespace detail

std::string_view precision_name(Precision precision) noexcept {
  switch (precision) {
    case Precision::Float32:
      return "float32";
    case Precision::Bfloat16:
      return "bf16";
    case Precision::Int16:
      return "int16";
    case Precision::Int8:
      return "int8";
  }
  return "";
}

Precision parse_precision(std::string_view name) {
  for (const Precision precision : kAll) {
    if (precision_name(precision) == name) return precision;
  }
  fail(ErrorCode::InvalidArgument, "precision: expected float32, bf16, int16 or int8, got '", name,
       "'");
}

Precision unaveraged(Precision precision) noexcept {
  return precision == Precision::Int8 ? Precision::Int16 : precision;
}

// The reference variant defines every precision; only its speed does not matter.
bool supports(Precision precision) {
  if (precision != Precision::Bfloat16) return true;
  return kernel_isa() == Isa::Ref || (kernel_isa() >= Isa::Avx512 && cpu_has_bfloat16());
}

std::vector<Precision> supported_precisions() {
  std::vector<Precision> supported;
  for (const Precision precision : kAll) {
    if (supports(precision)) supported.push_back(precision);
  }
  return supported;
}

void require_support(Precision precision) {
  if (supports(precision)) return;
  std::string names;
  for (const Precision other : supported_precisions()) {
    names += names.empty() ? "" : ", ";
    names += precision_name(other);
  }
  fail(ErrorCode::Unimplemented, "precision: the ", isa_name(kernel_isa()),
       " kernels here have no AVX512_BF16, which ", precision_name(precision), " needs; they have ",
       names);
}

}  // namespace jetcal::kernels
