// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/knn.h"

#include <algorithm>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/dispatch.h"
#include "jetcal/kernels/detail/knn_kernels.h"

namespace jetcal::kernels {
namespace {

// Holds one jet's coordinates as columns, and the work space of its search.
class JetSearch {
 public:
  JetSearch(const detail::KnnKernels& kernels, std::int64_t dimensions, std::int64_t k)
      : kernels_(kernels), dimensions_(dimensions), k_(k), best_(static_cast<std::size_t>(k)) {}

  void run(const float* x, std::int64_t row_stride, std::int64_t first_row, std::int64_t n,
           std::int32_t* neighbors) {
    const std::int64_t padded = (n + kernels_.lanes - 1) / kernels_.lanes * kernels_.lanes;
    columns_.assign(static_cast<std::size_t>(padded * dimensions_), 0.0F);
    distances_.resize(static_cast<std::size_t>(padded * detail::kKnnRows));
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t d = 0; d < dimensions_; ++d) {
        columns_[d * padded + i] = x[i * row_stride + d];
      }
    }
    kernels_.jet({columns_.data(), n, padded, dimensions_, k_, static_cast<std::int32_t>(first_row),
                  distances_.data(), best_.data(), neighbors});
  }

 private:
  const detail::KnnKernels& kernels_;
  std::int64_t dimensions_, k_;
  std::vector<float> columns_;
  std::vector<std::int32_t> distances_, best_;
};

}  // namespace

void knn(std::span<const float> x, std::int64_t dimensions, std::int64_t row_stride,
         std::span<const std::int64_t> offsets, std::int64_t k, std::span<std::int32_t> neighbors) {
  JETCAL_DCHECK(!offsets.empty() && offsets.front() == 0 &&
                std::is_sorted(offsets.begin(), offsets.end()));
  JETCAL_DCHECK(k >= 1 && dimensions >= 1 && row_stride >= dimensions);
  JETCAL_DCHECK(offsets.back() <= INT32_MAX && std::ssize(neighbors) == offsets.back() * k);
  JETCAL_DCHECK(offsets.back() == 0 ||
                std::ssize(x) >= (offsets.back() - 1) * row_stride + dimensions);
  const auto& kernels =
      detail::pick(kernel_isa(), detail::kKnnRef, detail::kKnnAvx2, detail::kKnnAvx512);
  parallel_for(std::ssize(offsets) - 1, 4, [&](std::int64_t begin, std::int64_t end) {
    JetSearch search(kernels, dimensions, k);
    for (std::int64_t j = begin; j < end; ++j) {
      const std::int64_t first = offsets[j];
      search.run(x.data() + first * row_stride, row_stride, first, offsets[j + 1] - first,
                 neighbors.data() + first * k);
    }
  });
}

}  // namespace jetcal::kernels
