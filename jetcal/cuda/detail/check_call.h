// SPDX-License-Identifier: Apache-2.0
// Turns the status of a CUDA call into an Error that names the call. For .cu files only.
#pragma once

#include <cuda_runtime_api.h>

namespace jetcal::cuda::detail {

void check_call(cudaError_t status, const char* call);

}  // namespace jetcal::cuda::detail
