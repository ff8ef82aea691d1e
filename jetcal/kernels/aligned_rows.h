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

/// Grows the storage to at least `size` elements; what it holds is unspecified. Buffers are kept
/// between batches this way, since fresh pages cost more than arithmetic.
template <typename T>
T* room_for(AlignedRows<T>& storage, std::int64_t size) {
  if (static_cast<std::int64_t>(storage.size()) < size) {
    storage.resize(static_cast<std::size_t>(size));
  }
  return storage.data();
}

}  // namespace jetcal::kernels
