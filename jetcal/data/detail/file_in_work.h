// SPDX-License-Identifier: Apache-2.0
// Notes which file a thread is reading, for the handler of crashes.
#pragma once

#include <filesystem>

namespace jetcal::data::detail {

/// Notes `path`, which must outlive this object, for the current thread. Objects nest.
class FileInWork {
 public:
  explicit FileInWork(const std::filesystem::path& path) noexcept;
  ~FileInWork();
  FileInWork(const FileInWork&) = delete;
  FileInWork& operator=(const FileInWork&) = delete;

 private:
  const char* outer_;
};

}  // namespace jetcal::data::detail
