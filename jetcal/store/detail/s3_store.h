// SPDX-License-Identifier: Apache-2.0
// Objects in a bucket of an S3 server.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "jetcal/store/object_store.h"

namespace jetcal::store::detail {

/// Opens a prefix (may be empty) of a bucket, as open_object_store() says.
std::unique_ptr<ObjectStore> open_s3(const BucketPrefix& place,
                                     const std::function<bool()>& should_stop);

}  // namespace jetcal::store::detail
