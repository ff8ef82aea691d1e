// SPDX-License-Identifier: Apache-2.0
// Regions of POSIX shared memory that clients on this machine share with the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::server {

/// A piece of a region; `owner` keeps it mapped, also after the region has been unregistered.
struct SharedBytes {
  std::span<std::byte> bytes;
  std::shared_ptr<const void> owner;  // shared: with the registry
};

/// Registers regions by name, as the system shared memory extension says. Thread-safe.
class SharedMemoryRegions {
 public:
  struct Region {
    std::string name, key;
    std::uint64_t offset = 0, byte_size = 0;
  };

  /// Maps `byte_size` bytes from `offset` on of the object `key` (as in shm_open). Throws
  /// AlreadyExists for a name in use, Internal when it cannot be opened or mapped, InvalidArgument
  /// when it is shorter than that.
  void add(const Region& region);
  /// Forgets a region; an unknown name is no error.
  void remove(const std::string& name);
  void clear();
  /// All regions, or the one named; NotFound.
  std::vector<Region> list(const std::string& name = "") const;
  /// Returns a part of a region. Throws NotFound, InvalidArgument when it lies beyond the end.
  SharedBytes find(const std::string& name, std::uint64_t offset, std::uint64_t byte_size) const;

 private:
  struct Mapping;
  struct Entry {
    Region region;
    std::shared_ptr<const Mapping> mapping;  // shared: with requests that use it
  };
  mutable std::mutex mutex_;
  std::map<std::string, Entry> regions_;
};

}  // namespace jetcal::server
