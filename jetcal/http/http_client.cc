// SPDX-License-Identifier: Apache-2.0
#include "jetcal/http/http_client.h"

#include <curl/curl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::http {
namespace {

constexpr long kConnectSeconds = 5;
constexpr long kSilentSeconds = 30;  // without a byte in either direction

// What the callbacks of one request share.
struct Exchange {
  CURL* handle;
  const Request& request;
  Answer& answer;
  const std::function<bool()>& should_stop;
  std::int64_t sent = 0;
};

std::size_t take_body(char* bytes, std::size_t /*one*/, std::size_t count, void* to) {
  Exchange& exchange = *static_cast<Exchange*>(to);
  long status = 0;
  ::curl_easy_getinfo(exchange.handle, CURLINFO_RESPONSE_CODE, &status);
  exchange.answer.bytes += static_cast<std::int64_t>(count);
  if (exchange.request.sink < 0 || status < 200 || status > 299) {
    std::string& body = exchange.answer.body;
    body.append(bytes, std::min(count, exchange.request.most_kept - body.size()));
    return count;
  }
  for (std::size_t done = 0; done < count;) {
    const ssize_t written = ::write(exchange.request.sink, bytes + done, count - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      exchange.answer.disk_error = written < 0 ? errno : ENOSPC;
      return 0;
    }
    done += static_cast<std::size_t>(written);
  }
  return count;
}

std::size_t take_header(char* bytes, std::size_t /*one*/, std::size_t count, void* to) {
  auto& headers = static_cast<Exchange*>(to)->answer.headers;
  const std::string_view line(bytes, count);
  if (line.starts_with("HTTP/")) headers.clear();  // after an interim answer
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return count;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front())) != 0)
    value.remove_prefix(1);
  while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back())) != 0)
    value.remove_suffix(1);
  headers[name] = std::string(value);
  return count;
}

std::size_t give_body(char* room, std::size_t one, std::size_t count, void* from) {
  Exchange& exchange = *static_cast<Exchange*>(from);
  const Request& request = exchange.request;
  const std::int64_t all =
      request.source < 0 ? static_cast<std::int64_t>(request.body.size()) : request.source_bytes;
  const auto wanted = static_cast<std::size_t>(
      std::min(static_cast<std::int64_t>(one * count), all - exchange.sent));
  if (request.source < 0) {
    std::memcpy(room, request.body.data() + exchange.sent, wanted);
    exchange.sent += static_cast<std::int64_t>(wanted);
    return wanted;
  }
  if (wanted == 0) return 0;
  const ssize_t got = ::pread(request.source, room, wanted, exchange.sent);
  if (got <= 0) {
    exchange.answer.disk_error = got < 0 ? errno : EIO;
    return CURL_READFUNC_ABORT;
  }
  exchange.sent += got;
  return static_cast<std::size_t>(got);
}

// The library asks to send a body again when a kept connection turned out to be closed.
int rewind_body(void* from, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(from)->sent = offset;
  return CURL_SEEKFUNC_OK;
}

int look_for_stop(void* from, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& should_stop = static_cast<Exchange*>(from)->should_stop;
  return should_stop && should_stop() ? 1 : 0;
}

// Writing to a TLS connection that the server closed raises SIGPIPE, which would end the process.
class NoBrokenPipes {
 public:
  NoBrokenPipes() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipes() {
    const timespec at_once{};
    while (sigismember(&before_, SIGPIPE) == 0 && ::sigtimedwait(&pipe_, nullptr, &at_once) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipes(const NoBrokenPipes&) = delete;
  NoBrokenPipes& operator=(const NoBrokenPipes&) = delete;

 private:
  sigset_t pipe_{}, before_{};
};

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_FAIL_REWIND:
      return true;
    default:
      return false;
  }
}

void set_method(CURL* handle, const Request& request, Exchange& exchange) {
  if (request.method == "HEAD") {
    ::curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT") {
    ::curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    const std::int64_t bytes =
        request.source < 0 ? static_cast<std::int64_t>(request.body.size()) : request.source_bytes;
    ::curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes));
    ::curl_easy_setopt(handle, CURLOPT_READFUNCTION, give_body);
    ::curl_easy_setopt(handle, CURLOPT_READDATA, &exchange);
    ::curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, rewind_body);
    ::curl_easy_setopt(handle, CURLOPT_SEEKDATA, &exchange);
    ::curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
  } else if (request.method != "GET") {
    if (!request.body.empty()) {
      ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
      ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
    }
    ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

void set_identity(CURL* handle, const Identity& identity) {
  if (!identity.access_key.empty()) {
    ::curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, ("aws:amz:" + identity.region + ":s3").c_str());
    ::curl_easy_setopt(handle, CURLOPT_USERNAME, identity.access_key.c_str());
    ::curl_easy_setopt(handle, CURLOPT_PASSWORD, identity.secret_key.c_str());
  }
  if (!identity.ca_file.empty())
    ::curl_easy_setopt(handle, CURLOPT_CAINFO, identity.ca_file.c_str());
}

bool is_here(std::string_view url) {
  const std::string_view host = url.substr(url.find("//") + 2);
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

void set_limits(CURL* handle, const Request& request) {
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  ::curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  ::curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  ::curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.limit.count()));
  if (request.http2)
    ::curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
  if (request.direct || is_here(request.url)) ::curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
}

}  // namespace

std::string Answer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Client::Client(std::function<bool()> should_stop) : should_stop_(std::move(should_stop)) {
  static const CURLcode started = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK)
    fail(ErrorCode::Internal, "cannot start libcurl: ", ::curl_easy_strerror(started));
}

Client::~Client() {
  for (void* const handle : idle_) ::curl_easy_cleanup(handle);
}

void* Client::take_handle() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) {
    void* const handle = ::curl_easy_init();
    if (handle == nullptr) fail(ErrorCode::Internal, "libcurl cannot be set up");
    return handle;
  }
  void* const handle = idle_.back();
  idle_.pop_back();
  return handle;
}

Answer Client::send(const Request& request, const Identity& identity) const {
  Answer answer;
  CURL* const handle = take_handle();
  Exchange exchange{handle, request, answer, should_stop_};
  char reason[CURL_ERROR_SIZE] = "";
  curl_slist* headers = nullptr;
  for (const std::string& header : request.headers)
    headers = ::curl_slist_append(headers, header.c_str());
  ::curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, reason);
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
  ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, &exchange);
  ::curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_header);
  ::curl_easy_setopt(handle, CURLOPT_HEADERDATA, &exchange);
  ::curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, look_for_stop);
  ::curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &exchange);
  set_limits(handle, request);
  set_identity(handle, identity);
  set_method(handle, request, exchange);
  CURLcode code = CURLE_OK;
  {
    const NoBrokenPipes guard;
    code = ::curl_easy_perform(handle);
  }
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer.status);
  if (code != CURLE_OK) answer.failure = reason[0] != '\0' ? reason : ::curl_easy_strerror(code);
  answer.truncated = code == CURLE_PARTIAL_FILE;
  answer.may_pass = may_pass(code);
  ::curl_slist_free_all(headers);
  ::curl_easy_reset(handle);
  const std::lock_guard lock(mutex_);
  idle_.push_back(handle);
  return answer;
}

}  // namespace jetcal::http
