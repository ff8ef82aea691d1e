// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/object_store.h"

#include "jetcal/base/error.h"
#include "jetcal/store/detail/folder_store.h"
#include "jetcal/store/detail/s3_store.h"

namespace jetcal::store {

constexpr std::string_view kS3 = "s3://";

bool is_remote(std::string_view location) noexcept { return location.starts_with(kS3); }

BucketPrefix split_location(const std::string& location) {
  std::string rest = is_remote(location) ? location.substr(kS3.size()) : "";
  while (rest.ends_with('/')) rest.pop_back();
  const std::size_t slash = rest.find('/');
  const std::string bucket = rest.substr(0, slash);
  if (bucket.empty()) {
    fail(ErrorCode::InvalidArgument, "cannot understand '", location,
         "': an object store is named as s3://bucket/prefix");
  }
  return {bucket, slash == std::string::npos ? "" : rest.substr(slash + 1)};
}

std::unique_ptr<ObjectStore> open_object_store(const std::string& location,
                                               const std::function<bool()>& should_stop) {
  return is_remote(location) ? detail::open_s3(split_location(location), should_stop)
                             : detail::open_folder(location);
}

}  // namespace jetcal::store
