// SPDX-License-Identifier: Apache-2.0
// Storage of rows that start at cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace jetcal::kernels {

/// Gives std::vector storage that starts at a cache line: a vector load that crosses two lines
/// costs twice.
template <typename T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  LineAllocator() = default;
  template <typename U>
  explicit LineAllocator(const LineAllocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kLine));
  }
  void deallocate(T* storage, std::size_t) noexcept { ::operator delete(storage, kLine); }
  bool operator==(const LineAllocator&) const noexcept { return true; }
};

template <typename T>
using AlignedRows = std::vector<T, LineAllocator<T>>;

}  // namespace jetcal::kernels
