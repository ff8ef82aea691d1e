// SPDX-License-Identifier: Apache-2.0
// Files as objects of a bucket, read with Arrow's S3 client.
#pragma once

#include <memory>
#include <string>

#include "jetcal/data/file_store.h"

namespace jetcal::data::detail {

/// Opens a prefix (may be empty) of a bucket, as open_store() says. The client's library is shut
/// down when the process ends.
std::shared_ptr<const FileStore> open_s3(const std::string& bucket, const std::string& prefix);

}  // namespace jetcal::data::detail
