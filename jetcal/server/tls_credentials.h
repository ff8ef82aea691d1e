// SPDX-License-Identifier: Apache-2.0
// What a server needs for TLS: its certificate and key, and whose clients it trusts.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <mutex>

#include "jetcal/server/file_stamp.h"

struct ssl_ctx_st;

namespace jetcal::server {

/// PEM files.
struct TlsFiles {
  std::filesystem::path certificate;  ///< The server's, then those that lead to its root.
  std::filesystem::path key;          ///< Without a passphrase.
  std::filesystem::path client_ca;    ///< Mutual TLS: roots of the clients' certificates. Or empty.
};

/// A TLS configuration that can be read again while connections go on: those that exist keep what
/// they began with. TLS 1.2 and newer; HTTP/2 and HTTP/1.1 are offered. Thread-safe.
class TlsCredentials {
 public:
  /// Throws InvalidArgument naming the file that is missing, is no PEM, or does not fit the other.
  explicit TlsCredentials(TlsFiles files);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;

  /// Reads the files again if one has changed since, or always; tells whether it did. Throws as the
  /// constructor, once for each state of the files, and goes on with the old ones.
  bool reload(bool always = false);
  /// What new connections use.
  std::shared_ptr<ssl_ctx_st> context() const;

 private:
  std::array<FileStamp, 3> stamps() const noexcept;

  const TlsFiles files_;
  std::array<FileStamp, 3> stamps_;  // used by reload() alone
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;  // shared: with handshakes that have begun
};

}  // namespace jetcal::server
