// SPDX-License-Identifier: Apache-2.0
// Files under names in one place: a folder on disk, or a prefix of a bucket in an S3 object store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/base/stop.h"

namespace jetcal::store {

/// What a store knows of one object without reading it.
struct ObjectInfo {
  std::string name;        ///< Relative to the store's location, '/' between components.
  std::int64_t bytes = 0;  ///< Its size.
  std::string version;     ///< Changes when the content does: the ETag, or time and size of a file.
};

/// Counts what was asked of a store.
struct ObjectCounts {
  std::int64_t requests = 0;  ///< Sent to a server, those sent again included.
  std::int64_t retries = 0;   ///< Sent again after a failure that may pass.
  std::int64_t bytes_read = 0, bytes_written = 0;
};

/// Keeps objects under names such as "a/b.json". Thread-safe; after a fork the child opens its own.
///
/// An object appears as a whole or not at all, to every reader, and so does a file that is fetched.
/// Names are relative, without empty components, "." and ".."; others throw InvalidArgument.
/// Besides what each function names, all throw what the place says: InvalidArgument when it refuses
/// the credentials, FailedPrecondition when there are none, NotFound for a bucket or folder that
/// does not exist, Unavailable when it cannot be reached, Cancelled after a stop signal.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  /// Names an object, or with "" the store, in messages: its path, or s3://bucket/key.
  virtual std::string name_of(const std::string& name) const = 0;
  /// Returns the content. Throws NotFound, and DataLoss when it ends before its announced size.
  virtual std::string get(const std::string& name) const = 0;
  /// Copies the content into a file, synced, streamed through memory in small pieces. Throws as
  /// get() does, and ResourceExhausted when the disk is full.
  virtual void get_to_file(const std::string& name, const std::filesystem::path& file) const = 0;
  /// Stores `content`, in place of what is there.
  virtual void put(const std::string& name, std::string_view content) const = 0;
  /// Stores the content of a file, streamed. Throws NotFound without the file, ResourceExhausted
  /// when the place is full.
  virtual void put_file(const std::string& name, const std::filesystem::path& file) const = 0;
  /// Stores `content` unless an object of this name is there; tells whether it did. Of several
  /// writers at once, one succeeds.
  virtual bool put_if_absent(const std::string& name, std::string_view content) const = 0;
  /// Returns what is known of an object, or nothing where there is none.
  virtual std::optional<ObjectInfo> head(const std::string& name) const = 0;
  /// Returns the objects whose names start with `prefix`, of all depths, sorted by name.
  virtual std::vector<ObjectInfo> list(const std::string& prefix = "") const = 0;
  /// Removes an object; one that is not there is no failure.
  virtual void remove(const std::string& name) const = 0;
  virtual ObjectCounts counts() const = 0;
};

/// Tells whether a location is an object store: s3://...
bool is_remote(std::string_view location) noexcept;

/// The bucket and the prefix ("" or without a slash at its ends) of s3://bucket/prefix. Throws
/// InvalidArgument for a location without bucket.
struct BucketPrefix {
  std::string bucket, prefix;
};
BucketPrefix split_location(const std::string& location);

/// Opens a folder (made with the first object) or s3://bucket/prefix. Asks no server.
///
/// S3: endpoint, region, certificates and attempts as read_aws_environment() says, credentials as
/// find_credentials() does. With an endpoint buckets are in the path, not in the host's name. A
/// file above AwsEnvironment::part_bytes is sent in parts, which become one object at the end. A
/// failed request is sent again at growing intervals, AWS_MAX_ATTEMPTS (8) times in all. Throws
/// InvalidArgument for a location or a setting that cannot be understood, FailedPrecondition
/// without credentials. `should_stop` is asked while a server is waited for, and ends that with
/// Cancelled.
std::unique_ptr<ObjectStore> open_object_store(
    const std::string& location, const std::function<bool()>& should_stop = stop_requested);

}  // namespace jetcal::store
