// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/s3_store.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/http/http_client.h"
#include "jetcal/store/aws_credentials.h"
#include "jetcal/store/aws_environment.h"
#include "jetcal/store/detail/draft.h"
#include "jetcal/store/detail/object_name.h"
#include "jetcal/store/detail/s3_answer.h"
#include "jetcal/store/detail/source_file.h"
#include "jetcal/store/sha256.h"

namespace jetcal::store::detail {
namespace {

constexpr std::int64_t kMostParts = 10000;  // of an object, as AWS documents it

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// An answer, or the last one of several attempts.
struct Reply : http::Answer {
  int attempts = 1;
};

bool is_good(const http::Answer& answer) {
  return answer.failure == http::Failure::None && answer.status >= 200 && answer.status < 300;
}

bool says_absent(const http::Answer& answer) {
  return answer.status == 404 && is_one_of(read_refusal(answer.body).code, {"NoSuchKey", ""});
}

// Whatever their status: servers differ in it.
bool refuses_credentials(const http::Answer& answer, const S3Refusal& refusal) {
  return answer.status == 401 || answer.status == 403 ||
         is_one_of(refusal.code, {"InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied",
                                  "ExpiredToken", "InvalidToken", "XAdminUserNotFound"});
}

class S3Store final : public ObjectStore {
 public:
  S3Store(const BucketPrefix& place, const std::function<bool()>& should_stop)
      : bucket_(place.bucket),
        prefix_(place.prefix.empty() ? "" : place.prefix + "/"),
        environment_(read_aws_environment()),
        client_(should_stop, {environment_.ca_file}),
        should_stop_(should_stop),
        region_(environment_.region.empty() ? "us-east-1" : environment_.region) {
    const std::optional<AwsCredentials> credentials = find_credentials();
    if (!credentials) {
      fail(ErrorCode::FailedPrecondition, "there are no credentials for ", name_of(""),
           ": set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
    }
    credentials_ = *credentials;
  }

  std::string name_of(const std::string& name) const override {
    return "s3://" + bucket_ + "/" + prefix_ + name;
  }

  std::string get(const std::string& name) const override {
    http::Request request = request_for("GET", name);
    Reply answer = ask(request, name);
    if (!is_good(answer)) fail_with(answer, "read", name);
    bytes_read_ += answer.bytes;
    return std::move(answer.body);
  }

  void get_to_file(const std::string& name, const std::filesystem::path& file) const override {
    Draft draft(file);
    http::Request request = request_for("GET", name);
    request.sink = draft.descriptor();
    const Reply answer = ask(request, name, [&draft] { draft.clear(); });
    if (answer.disk_error != 0) draft.fail_with(answer.disk_error);
    if (!is_good(answer)) fail_with(answer, "read", name);
    draft.put();
    bytes_read_ += answer.bytes;
  }

  void put(const std::string& name, std::string_view content) const override {
    const Reply answer = ask(request_for("PUT", name, content), name);
    if (!is_good(answer)) fail_with(answer, "write", name);
    bytes_written_ += static_cast<std::int64_t>(content.size());
  }

  void put_file(const std::string& name, const std::filesystem::path& file) const override {
    const SourceFile source(file);
    if (source.bytes() > environment_.part_bytes) {
      put_in_parts(name, source);
    } else {
      send_file(request_for("PUT", name), name, source, 0, source.bytes());
    }
    bytes_written_ += source.bytes();
  }

  bool put_if_absent(const std::string& name, std::string_view content) const override {
    http::Request request = request_for("PUT", name, content);
    request.headers.emplace_back("If-None-Match: *");
    const std::int64_t retries_before = retries_;
    const Reply answer = ask(request, name);
    if (answer.status == 412) {
      // What is there may be ours: an attempt whose answer was lost.
      return retries_ > retries_before && get(name) == content;
    }
    if (!is_good(answer)) fail_with(answer, "write", name);
    bytes_written_ += static_cast<std::int64_t>(content.size());
    return true;
  }

  std::optional<ObjectInfo> head(const std::string& name) const override {
    const Reply answer = ask(request_for("HEAD", name), name);
    if (is_good(answer)) {
      const auto bytes = parse_number<std::int64_t>(answer.header("content-length"));
      return ObjectInfo{name, bytes.value_or(0), answer.header("etag")};
    }
    // The answer to HEAD has no body, so a refusal gives no reason. Asking for a byte does.
    if (answer.status == 404 && bucket_known_) return std::nullopt;
    if (answer.failure != http::Failure::None) fail_with(answer, "look at", name);
    http::Request request = request_for("GET", name);
    request.headers.emplace_back("Range: bytes=0-0");
    const Reply reason = ask(request, name);
    if (says_absent(reason)) return std::nullopt;
    fail_with(is_good(reason) ? answer : reason, "look at", name);
  }

  std::vector<ObjectInfo> list(const std::string& prefix) const override {
    std::vector<ObjectInfo> all;
    std::string next;
    do {
      http::Request request = request_for("GET", "");
      // In the order of the signature.
      request.url += "?";
      if (!next.empty()) request.url += "continuation-token=" + percent_encoded(next, false) + "&";
      request.url += "list-type=2&prefix=" + percent_encoded(prefix_ + prefix, false);
      const Reply answer = ask(request, prefix);
      if (!is_good(answer)) fail_with(answer, "list", prefix);
      S3Page page = read_page(answer.body);
      for (ObjectInfo& object : page.objects) {
        if (!object.name.starts_with(prefix_) || object.name.ends_with('/')) continue;
        object.name.erase(0, prefix_.size());
        all.push_back(std::move(object));
      }
      next = std::move(page.next);
    } while (!next.empty());
    std::sort(all.begin(), all.end(),
              [](const ObjectInfo& a, const ObjectInfo& b) { return a.name < b.name; });
    return all;
  }

  void remove(const std::string& name) const override {
    const Reply answer = ask(request_for("DELETE", name), name);
    if (!is_good(answer) && !says_absent(answer)) fail_with(answer, "remove", name);
  }

  ObjectCounts counts() const override {
    return {requests_, retries_, bytes_read_, bytes_written_};
  }

 private:
  // A request for an object, or with "" for the bucket; its URL begins below the bucket until it is
  // sent.
  http::Request request_for(const char* method, const std::string& name,
                            std::string_view body = {}) const {
    http::Request request;
    request.method = method;
    if (!name.empty()) {
      check_name(name);
      request.url = percent_encoded(prefix_ + name, true);
    }
    request.body = body;
    return request;
  }

  // Sends bytes of a file; returns the ETag of what they have become.
  std::string send_file(http::Request request, const std::string& name, const SourceFile& source,
                        std::int64_t begin, std::int64_t bytes) const {
    request.headers.push_back("x-amz-content-sha256: " + source.sha256(begin, bytes));
    request.source = source.descriptor();
    request.source_begin = begin;
    request.source_bytes = bytes;
    const Reply answer = ask(std::move(request), name);
    if (answer.disk_error != 0) {
      fail(ErrorCode::DataLoss, "cannot read ", source.path().string(),
           " while it is sent: ", std::strerror(answer.disk_error));
    }
    if (!is_good(answer)) fail_with(answer, "write", name);
    return answer.header("etag");
  }

  void put_in_parts(const std::string& name, const SourceFile& source) const {
    http::Request begin = request_for("POST", name);
    begin.url += "?uploads=";
    const Reply begun = ask(std::move(begin), name);
    if (!is_good(begun)) fail_with(begun, "write", name);
    const std::string upload = "uploadId=" + percent_encoded(read_upload(begun.body), false);
    try {
      complete(name, upload, source.bytes(), send_parts(name, upload, source));
    } catch (...) {
      give_up_parts(name, upload);
      throw;
    }
  }

  std::vector<std::string> send_parts(const std::string& name, const std::string& upload,
                                      const SourceFile& source) const {
    const std::int64_t part =
        std::max(environment_.part_bytes, (source.bytes() + kMostParts - 1) / kMostParts);
    std::vector<std::string> etags;
    for (std::int64_t begin = 0; begin < source.bytes(); begin += part) {
      http::Request request = request_for("PUT", name);
      request.url += "?partNumber=" + std::to_string(etags.size() + 1) + "&" + upload;
      etags.push_back(send_file(std::move(request), name, source, begin,
                                std::min(part, source.bytes() - begin)));
    }
    return etags;
  }

  void complete(const std::string& name, const std::string& upload, std::int64_t bytes,
                const std::vector<std::string>& etags) const {
    const std::string parts = part_list(etags);
    http::Request request = request_for("POST", name, parts);
    request.url += "?" + upload;
    request.headers.emplace_back("Content-Type: application/xml");
    Reply answer = ask(std::move(request), name);
    if (is_good(answer) && says_completed(answer.body)) return;
    if (is_good(answer)) answer.status = 500;  // neither completed nor refused
    // The upload may have ended with an attempt whose answer was lost.
    if (answer.attempts > 1 && read_refusal(answer.body).code == "NoSuchUpload") {
      const std::optional<ObjectInfo> there = head(name);
      if (there && there->bytes == bytes) return;
    }
    fail_with(answer, "write", name);
  }

  // Lets the server drop the parts that it has; asked once, also after a stop signal. Whether it
  // does changes nothing for the caller, who has the upload's own error to tell.
  void give_up_parts(const std::string& name, const std::string& upload) const noexcept {
    try {
      http::Request request = request_for("DELETE", name);
      const std::string region = known_region();
      request.url = bucket_url(region) + request.url + "?" + upload;
      request.limit = std::chrono::seconds(5);
      sign(request);
      http::Client({}, {environment_.ca_file}).send(request, identity(region));
    } catch (const std::exception&) {
      return;
    }
  }

  std::string bucket_url(const std::string& region) const {
    if (!environment_.endpoint.empty())
      return environment_.scheme + "://" + environment_.endpoint + "/" + bucket_ + "/";
    const std::string host = "s3." + region + ".amazonaws.com/";
    // A certificate for all buckets covers no dots.
    if (bucket_.find('.') != std::string::npos) return "https://" + host + bucket_ + "/";
    return "https://" + bucket_ + "." + host;
  }

  std::string known_region() const {
    const std::lock_guard lock(mutex_);
    return region_;
  }

  // What the library's signature needs beside identity(): the hash of the body, unless it is there.
  void sign(http::Request& request) const {
    if (request.source < 0)
      request.headers.push_back("x-amz-content-sha256: " + sha256(request.body));
    if (!credentials_.session_token.empty())
      request.headers.push_back("x-amz-security-token: " + credentials_.session_token);
  }

  http::Identity identity(const std::string& region) const {
    return {credentials_.access_key, credentials_.secret_key, region};
  }

  // Sends a request until it is answered, the failure will stay, or the attempts are used up.
  template <typename Again = void (*)()>
  Reply ask(
      http::Request request, const std::string& name, const Again& again = [] {}) const {
    sign(request);
    const std::string path = std::move(request.url);
    for (int attempt = 1;; ++attempt) {
      ++requests_;
      const std::string region = known_region();
      request.url = bucket_url(region) + path;
      Reply answer{client_.send(request, identity(region)), attempt};
      // AWS sends the head of its answer to the end of an upload before it knows how that goes.
      if (request.method == "POST" && is_good(answer) && !read_refusal(answer.body).code.empty())
        answer.status = 500;
      if (should_stop_()) {
        fail(ErrorCode::Cancelled, "stopped while asking for ", name_of(name));
      }
      if (is_good(answer) || answer.disk_error != 0) {
        bucket_known_ = bucket_known_ || is_good(answer);
        return answer;
      }
      const bool moved = environment_.endpoint.empty() && learn_region(answer, region);
      if ((!moved && !may_pass(answer)) || attempt >= environment_.max_attempts) return answer;
      ++retries_;
      again();
      if (!moved) wait_after(attempt);
    }
  }

  static bool may_pass(const http::Answer& answer) {
    if (answer.failure != http::Failure::None) return answer.may_pass();
    if (answer.status == 429 || answer.status == 500 || answer.status >= 502) return true;
    return is_one_of(read_refusal(answer.body).code,
                     {"RequestTimeout", "SlowDown", "ConditionalRequestConflict"});
  }

  // Buckets of AWS are asked in their region; its servers say which one that is. Another thread may
  // have learnt it since the region was asked.
  bool learn_region(const http::Answer& answer, const std::string& asked) const {
    const std::string told = answer.header("x-amz-bucket-region");
    if (told.empty() || told == asked) return false;
    const std::lock_guard lock(mutex_);
    region_ = told;
    return true;
  }

  void wait_after(int attempt) const {
    using std::chrono::milliseconds;
    constexpr milliseconds kFirst{100}, kLongest{5000}, kLook{20};
    milliseconds left = std::min(kFirst * (1 << std::min(attempt - 1, 10)), kLongest);
    for (; left.count() > 0 && !should_stop_(); left -= kLook)
      std::this_thread::sleep_for(std::min(left, kLook));
  }

  [[noreturn]] void fail_with(const Reply& answer, const char* verb,
                              const std::string& object) const {
    const std::string name = name_of(object);
    const std::string at =
        environment_.endpoint.empty() ? "AWS" : environment_.scheme + "://" + environment_.endpoint;
    const std::string tried = " in " + std::to_string(answer.attempts) +
                              (answer.attempts == 1 ? " attempt: " : " attempts: ");
    if (answer.truncated) {
      fail(ErrorCode::DataLoss, "cannot ", verb, " ", name, " at ", at, tried,
           "the answer ends at byte ", answer.bytes, ", before its announced size");
    }
    if (answer.failure != http::Failure::None)
      fail(ErrorCode::Unavailable, "cannot ", verb, " ", name, " at ", at, tried, answer.reason);
    const S3Refusal refusal = read_refusal(answer.body);
    const std::string said =
        refusal.code.empty()
            ? "status " + std::to_string(answer.status)
            : refusal.code + (refusal.message.empty() ? "" : ": ") + refusal.message;
    if (refusal.code == "NoSuchBucket") {
      fail(ErrorCode::NotFound, "cannot ", verb, " ", name, ": there is no bucket ", bucket_,
           " at ", at);
    }
    if (refuses_credentials(answer, refusal)) {
      fail(ErrorCode::InvalidArgument, "cannot ", verb, " ", name, ": ", at,
           " refuses the credentials of ", credentials_.source, " or what they may do (", said,
           ")");
    }
    if (answer.status == 404) fail(ErrorCode::NotFound, "there is no object ", name, " at ", at);
    if (!refusal.region.empty() || answer.status == 301) {
      fail(ErrorCode::InvalidArgument, "cannot ", verb, " ", name, ": the bucket is not in region ",
           known_region(), refusal.region.empty() ? "" : " but in " + refusal.region,
           "; set AWS_REGION (", said, ")");
    }
    if (answer.status == 507 || is_one_of(refusal.code, {"QuotaExceeded", "XMinioStorageFull"}))
      fail(ErrorCode::ResourceExhausted, "cannot ", verb, " ", name, ": ", at, " is full (", said,
           ")");
    const bool later = answer.status == 429 || answer.status >= 500;
    fail(later ? ErrorCode::Unavailable : ErrorCode::InvalidArgument, "cannot ", verb, " ", name,
         " at ", at, tried, said);
  }

  const std::string bucket_, prefix_;
  const AwsEnvironment environment_;
  AwsCredentials credentials_;
  const http::Client client_;
  const std::function<bool()> should_stop_;
  mutable std::mutex mutex_;
  mutable std::string region_;
  mutable std::atomic<bool> bucket_known_{false};
  mutable std::atomic<std::int64_t> requests_{0}, retries_{0}, bytes_read_{0}, bytes_written_{0};
};

}  // namespace

std::unique_ptr<ObjectStore> open_s3(const BucketPrefix& place,
                                     const std::function<bool()>& should_stop) {
  return std::make_unique<S3Store>(place, should_stop);
}

}  // namespace jetcal::store::detail
