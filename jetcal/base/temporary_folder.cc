// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "jetcal/base/error.h"

namespace jetcal {

TemporaryFolder::TemporaryFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "jetcal-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr)
    fail(ErrorCode::ResourceExhausted, "cannot make a folder like ", path, ": ",
         std::strerror(errno));
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace jetcal
