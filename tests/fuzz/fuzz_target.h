// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share: an input as a file, and the rule that only jetcal::Error may come.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "jetcal/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace jetcal::fuzz {

/// Runs `work`; every exception but jetcal::Error, and a bug that says so itself, ends the program.
template <typename F>
void expect_errors_only(const F& work) {
  try {
    static_cast<void>(work());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::Internal) std::abort();
  }
}

/// A file in memory.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("fuzz", 0)) {
    if (file_ < 0 || ::write(file_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace jetcal::fuzz
