// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace jetcal::server {

struct SharedMemoryRegions::Mapping {
  Mapping(void* address, std::size_t size, std::size_t offset_in_page) noexcept
      : start(address), length(size), skip(offset_in_page) {}
  ~Mapping() { ::munmap(start, length); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::byte* bytes() const noexcept { return static_cast<std::byte*>(start) + skip; }
  void* start;
  std::size_t length, skip;
};

namespace {

struct File {
  explicit File(int number) noexcept : number(number) {}
  ~File() {
    if (number >= 0) ::close(number);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int number;
};

}  // namespace

void SharedMemoryRegions::add(const Region& region) {
  const std::lock_guard lock(mutex_);
  if (regions_.contains(region.name))
    fail(ErrorCode::AlreadyExists, "shared memory region '", region.name, "' already in manager");
  const File file(::shm_open(region.key.c_str(), O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.number < 0)
    fail(ErrorCode::Internal, "Unable to open shared memory region: '", region.key, "'");
  struct stat status {};
  if (::fstat(file.number, &status) != 0)
    fail(ErrorCode::Internal, "Unable to open shared memory region: '", region.key, "'");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (region.byte_size == 0 || region.offset > size || region.byte_size > size - region.offset)
    fail(ErrorCode::InvalidArgument, "failed to register shared memory region '", region.name,
         "': invalid args");
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t skip = region.offset % page;
  void* const address = ::mmap(nullptr, region.byte_size + skip, PROT_READ | PROT_WRITE, MAP_SHARED,
                               file.number, static_cast<off_t>(region.offset - skip));
  if (address == MAP_FAILED)
    fail(ErrorCode::Internal,
         "unable to process address space or shared-memory descriptor: ", region.key);
  regions_[region.name] = {region,
                           std::make_shared<const Mapping>(address, region.byte_size + skip, skip)};
}

void SharedMemoryRegions::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  regions_.erase(name);
}

void SharedMemoryRegions::clear() {
  const std::lock_guard lock(mutex_);
  regions_.clear();
}

std::vector<SharedMemoryRegions::Region> SharedMemoryRegions::list(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  std::vector<Region> found;
  for (const auto& [key, entry] : regions_) {
    if (name.empty() || name == key) found.push_back(entry.region);
  }
  if (found.empty() && !name.empty())
    fail(ErrorCode::NotFound, "Unable to find system shared memory region: '", name, "'");
  return found;
}

SharedBytes SharedMemoryRegions::find(const std::string& name, std::uint64_t offset,
                                      std::uint64_t byte_size) const {
  const std::lock_guard lock(mutex_);
  const auto found = regions_.find(name);
  if (found == regions_.end())
    fail(ErrorCode::NotFound, "Unable to find shared memory region: '", name, "'");
  const Entry& entry = found->second;
  if (offset > entry.region.byte_size)
    fail(ErrorCode::InvalidArgument, "Invalid offset for shared memory region: '", name, "'");
  if (byte_size > entry.region.byte_size - offset)
    fail(ErrorCode::InvalidArgument, "Invalid offset + byte size for shared memory region: '", name,
         "'");
  return {{entry.mapping->bytes() + offset, byte_size}, entry.mapping};
}

}  // namespace jetcal::server
