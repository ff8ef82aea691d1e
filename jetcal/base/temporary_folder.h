// SPDX-License-Identifier: Apache-2.0
// A folder that goes with its object.
#pragma once

#include <filesystem>
#include <string>

namespace jetcal {

/// Makes an empty folder of this process among the system's temporary files, and removes it with
/// all that is in it. Throws ResourceExhausted when it cannot be made.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace jetcal
