// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/s3_store.h"

#include <arrow/filesystem/s3fs.h>
#include <arrow/io/interfaces.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/stop.h"
#include "jetcal/store/aws_environment.h"

namespace jetcal::data::detail {
namespace {

using FilePointer = std::shared_ptr<arrow::io::RandomAccessFile>;  // Arrow's interface

void start_client_library() {
  static const arrow::Status status = [] {
    arrow::fs::S3GlobalOptions options = arrow::fs::S3GlobalOptions::Defaults();
    options.log_level = arrow::fs::S3LogLevel::Off;  // errors are ours to tell
    options.install_sigpipe_handler = true;          // a TLS connection that was closed raises it
    return arrow::fs::InitializeS3(options);
  }();
  if (!status.ok()) fail(ErrorCode::Internal, "cannot start the S3 client: ", status.message());
}

// The library must be shut down before the process ends, and cannot be started again. Static
// objects die in the reverse order of their birth: this one must be born after those that the
// library makes with its first client, or it would find them dead.
void stop_client_library_at_exit() {
  struct Stop {
    ~Stop() { static_cast<void>(arrow::fs::EnsureS3Finalized()); }
  };
  static const Stop stop;
}

// Sends a failed request again, at growing intervals, unless the failure will stay.
class CountingRetries final : public arrow::fs::S3RetryStrategy {
 public:
  explicit CountingRetries(int max_attempts) : max_attempts_(max_attempts) {}

  bool ShouldRetry(const AWSErrorDetail& error, std::int64_t attempted) override {
    attempts_ = attempted + 1;
    if (!error.should_retry || attempted + 1 >= max_attempts_ || stop_requested()) return false;
    ++retries_;
    return true;
  }
  std::int64_t CalculateDelayBeforeNextRetry(const AWSErrorDetail& /*error*/,
                                             std::int64_t attempted) override {
    constexpr std::int64_t kFirstMs = 100, kLongestMs = 5000;
    return std::min(kFirstMs << std::min<std::int64_t>(attempted, 10), kLongestMs);
  }
  std::int64_t retries() const noexcept { return retries_; }
  // Of the last request that failed; the client asks on the thread that made the request.
  static std::int64_t attempts() noexcept { return attempts_; }

 private:
  const int max_attempts_;
  std::atomic<std::int64_t> retries_{0};
  static thread_local std::int64_t attempts_;
};

thread_local std::int64_t CountingRetries::attempts_ = 1;

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [text](std::string_view word) {
    return text.find(word) != std::string_view::npos;
  });
}

class S3Store final : public FileStore {
 public:
  S3Store(std::string bucket, const std::string& prefix)
      : bucket_(std::move(bucket)),
        prefix_(prefix.empty() ? "" : prefix + "/"),
        environment_(store::read_aws_environment()),
        retries_(std::make_shared<CountingRetries>(environment_.max_attempts)) {
    start_client_library();
    arrow::fs::S3Options options = arrow::fs::S3Options::Defaults();
    options.scheme = environment_.scheme;
    options.endpoint_override = environment_.endpoint;
    options.region = environment_.region;
    options.tls_ca_file_path = environment_.ca_file;
    options.connect_timeout = 5;
    options.request_timeout = 30;
    options.retry_strategy = retries_;
    auto made = arrow::fs::S3FileSystem::Make(options);
    stop_client_library_at_exit();
    if (!made.ok()) fail_with(made.status(), "");
    client_ = *made;
  }

  std::string name_of(const std::string& file) const override {
    return "s3://" + bucket_ + "/" + prefix_ + file;
  }

  std::int64_t size(const std::string& file) const override {
    const auto size = opened(file)->GetSize();
    if (!size.ok()) fail_with(size.status(), file);
    return *size;
  }

  void read(const std::string& file, std::int64_t offset, std::span<std::byte> out) const override {
    const auto wanted = static_cast<std::int64_t>(out.size());
    const auto got = opened(file)->ReadAt(offset, wanted, out.data());
    if (!got.ok()) fail_with(got.status(), file);
    if (*got != wanted) {
      fail(ErrorCode::DataLoss, "the object ", name_of(file), " ends at byte ", offset + *got,
           ", before byte ", offset + wanted);
    }
    ++reads_;
    bytes_ += wanted;
  }

  StoreCounts counts() const override { return {reads_, bytes_, retries_->retries()}; }
  bool remote() const override { return true; }

 private:
  std::string path_of(const std::string& file) const { return bucket_ + "/" + prefix_ + file; }

  FilePointer opened(const std::string& file) const {
    {
      const std::lock_guard lock(mutex_);
      const auto found = files_.find(file);
      if (found != files_.end()) return found->second;
    }
    const auto made = client_->OpenInputFile(path_of(file));  // not under the lock: asks the server
    if (!made.ok()) fail_with(reason(made.status(), file), file);
    const std::lock_guard lock(mutex_);
    return files_.try_emplace(file, *made).first->second;
  }

  // The answer to a question for an object's size has no body, so a refusal gives no reason. Asking
  // for its first bytes does, where there is room for the reason.
  arrow::Status reason(const arrow::Status& status, const std::string& file) const {
    std::array<char, 16 * 1024> room{};
    arrow::fs::FileInfo info(path_of(file), arrow::fs::FileType::File);
    info.set_size(std::ssize(room));
    const auto opened_blindly = client_->OpenInputFile(info);
    if (!opened_blindly.ok()) return status;
    const auto got = (*opened_blindly)->ReadAt(0, std::ssize(room), room.data());
    return got.ok() ? status : got.status();
  }

  [[noreturn]] void fail_with(const arrow::Status& status, const std::string& file) const {
    const std::string& text = status.message();
    const std::string name = name_of(file);
    const std::string at =
        environment_.endpoint.empty() ? "AWS" : environment_.scheme + "://" + environment_.endpoint;
    if (has_any(text, {"NO_SUCH_BUCKET", "NoSuchBucket"}))
      fail(ErrorCode::NotFound, "cannot read ", name, ": there is no bucket ", bucket_, " at ", at);
    if (has_any(text,
                {"INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "InvalidAccessKeyId",
                 "SignatureDoesNotMatch", "ACCESS_DENIED", "AccessDenied", "INVALID_SIGNATURE",
                 "INVALID_CLIENT_TOKEN_ID", "EXPIRED_TOKEN", "ExpiredToken",
                 "MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT", "UserNotFound"})) {
      fail(ErrorCode::InvalidArgument, "cannot read ", name, ": ", at,
           " refuses the credentials or what they may read (", summary(text), ")");
    }
    if (has_any(text, {"NO_SUCH_KEY", "NoSuchKey", "RESOURCE_NOT_FOUND", "does not exist"}))
      fail(ErrorCode::NotFound, "there is no object ", name, " at ", at);
    if (has_any(text, {"InvalidRange", "416"}))
      fail(ErrorCode::DataLoss, "the object ", name, " has become shorter (", summary(text), ")");
    const std::int64_t attempts = CountingRetries::attempts();
    fail(ErrorCode::Unavailable, "cannot read ", name, " from ", at, " in ", attempts,
         attempts == 1 ? " attempt: " : " attempts: ", summary(text));
  }

  // "... AWS Error X during Y operation: reason" without what the message says already.
  static std::string summary(const std::string& text) {
    const auto start = text.find("AWS Error");
    std::string rest = start == std::string::npos ? text : text.substr(start);
    std::replace(rest.begin(), rest.end(), '\n', ' ');
    constexpr std::size_t kLongest = 300;
    return rest.size() > kLongest ? rest.substr(0, kLongest) + " ..." : rest;
  }

  const std::string bucket_, prefix_;
  const store::AwsEnvironment environment_;
  const std::shared_ptr<CountingRetries> retries_;   // Arrow's interface
  std::shared_ptr<arrow::fs::S3FileSystem> client_;  // Arrow's interface
  mutable std::mutex mutex_;
  mutable std::map<std::string, FilePointer> files_;
  mutable std::atomic<std::int64_t> reads_{0}, bytes_{0};
};

}  // namespace

std::shared_ptr<const FileStore> open_s3(const std::string& bucket, const std::string& prefix) {
  return std::make_shared<S3Store>(bucket, prefix);
}

}  // namespace jetcal::data::detail
