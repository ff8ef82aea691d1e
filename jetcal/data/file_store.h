// SPDX-License-Identifier: Apache-2.0
// Where files of a sample lie: a folder on disk, or a prefix of a bucket in an S3 object store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace jetcal::data {

/// Counts what was asked of a store, and what had to be asked again.
struct StoreCounts {
  std::int64_t reads = 0;    ///< Ranges of files.
  std::int64_t bytes = 0;    ///< In them.
  std::int64_t retries = 0;  ///< Requests that failed and were sent again.
};

/// Reads ranges of the files in one place. Thread-safe.
class FileStore {
 public:
  virtual ~FileStore() = default;
  /// Names a file in messages: its path, or s3://bucket/key.
  virtual std::string name_of(const std::string& file) const = 0;
  /// Returns the size of a file in bytes. Throws NotFound, and what the place says: InvalidArgument
  /// when it refuses the credentials, Unavailable when it cannot be reached.
  virtual std::int64_t size(const std::string& file) const = 0;
  /// Fills `out` with the bytes of a file from `offset` on. Throws as size() does, and DataLoss
  /// when the file ends before.
  virtual void read(const std::string& file, std::int64_t offset,
                    std::span<std::byte> out) const = 0;
  virtual StoreCounts counts() const = 0;
  /// Tells whether files are beyond a network.
  virtual bool remote() const = 0;

  /// Reads a whole file, which should be small.
  std::string read_all(const std::string& file) const;
};

/// Tells whether a location is an object store: s3://...
bool is_remote(const std::string& location) noexcept;

/// Opens a folder, or s3://bucket/prefix.
///
/// S3: endpoint, region, credentials and certificates come from AWS_ENDPOINT_URL_S3,
/// AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, AWS_CA_BUNDLE, the usual credential variables,
/// and the files and profile that AWS tools read. With an endpoint buckets are in the path, not in
/// the host's name. A failed request is sent again, AWS_MAX_ATTEMPTS (8) times in all. Throws
/// InvalidArgument for a location or an endpoint that cannot be understood.
std::shared_ptr<const FileStore> open_store(const std::string& location);

}  // namespace jetcal::data
