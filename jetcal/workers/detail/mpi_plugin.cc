// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/detail/mpi_plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "jetcal/base/error.h"

namespace jetcal::workers::detail {
namespace {

namespace fs = std::filesystem;

// Beside the program that trains, or where it lies as seen from a test.
fs::path plugin_path() {
  std::error_code error;
  const fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  fs::path beside = folder / "jetcal-mpi.so";
  if (fs::exists(beside, error)) return beside;
  return folder.parent_path() / "libexec" / "jetcal" / "jetcal-mpi.so";
}

}  // namespace

bool has_mpi_plugin() {
  std::error_code error;
  return fs::exists(plugin_path(), error);
}

std::unique_ptr<Links> open_mpi_links(const Place& place) {
  const fs::path path = plugin_path();
  if (!has_mpi_plugin()) {
    fail(ErrorCode::Unimplemented,
         "this build has no MPI (libopenmpi-dev was missing); set MASTER_ADDR and use the backend "
         "tcp");
  }
  // Global: MPI's own plug-ins look for its symbols. Never closed, like MPI itself.
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) fail(ErrorCode::Unavailable, "cannot open MPI: ", ::dlerror());
  const auto open = reinterpret_cast<OpenMpiLinks>(::dlsym(library, kMpiEntry));
  if (open == nullptr) {
    fail(ErrorCode::Unavailable, path.string(), " is not of this build: it lacks ", kMpiEntry);
  }
  return std::unique_ptr<Links>(open(place));
}

}  // namespace jetcal::workers::detail
