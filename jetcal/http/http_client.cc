// SPDX-License-Identifier: Apache-2.0
#include "jetcal/http/http_client.h"

#include <curl/curl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::http {
namespace {

constexpr long kSilentSeconds = 30;              // without a byte in either direction
constexpr std::chrono::hours kLongestPause{24};  // more would overflow the clocks of callers
constexpr long kReceiveBytes = 512L << 10;
constexpr long kSendBytes = 1L << 20;

class HeaderList {
 public:
  HeaderList() = default;
  ~HeaderList() { ::curl_slist_free_all(list_); }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void add(const std::string& line) {
    curl_slist* const longer = ::curl_slist_append(list_, line.c_str());
    if (longer == nullptr) fail(ErrorCode::ResourceExhausted, "no memory for a header");
    list_ = longer;
  }
  curl_slist* get() const noexcept { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

// What the callbacks of one request share.
struct Exchange {
  CURL* handle;
  const Request& request;
  Answer& answer;
  const std::function<bool()>& should_stop;
  std::int64_t sent = 0;
  bool head_complete = false, too_long = false;
};

std::int64_t bytes_to_send(const Request& request) {
  return request.source < 0 ? static_cast<std::int64_t>(request.body.size()) : request.source_bytes;
}

bool goes_to_file(const Exchange& exchange) {
  if (exchange.request.sink < 0) return false;
  long status = 0;
  ::curl_easy_getinfo(exchange.handle, CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status <= 299;
}

std::size_t take_body(char* bytes, std::size_t /*one*/, std::size_t count, void* to) {
  Exchange& exchange = *static_cast<Exchange*>(to);
  exchange.answer.bytes += static_cast<std::int64_t>(count);
  exchange.too_long = static_cast<std::uint64_t>(exchange.answer.bytes) > exchange.request.largest;
  if (exchange.too_long) return 0;
  if (!goes_to_file(exchange)) {
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
  Exchange& exchange = *static_cast<Exchange*>(to);
  const std::string_view line(bytes, count);
  if (line.starts_with("HTTP/")) {  // another one may follow, after an interim answer
    exchange.answer.head.clear();
    exchange.head_complete = false;
  } else if (line == "\r\n" || line == "\n") {
    exchange.head_complete = true;
  } else {
    exchange.answer.head += line;
  }
  return count;
}

std::size_t give_body(char* room, std::size_t one, std::size_t count, void* from) {
  Exchange& exchange = *static_cast<Exchange*>(from);
  const Request& request = exchange.request;
  const auto wanted = static_cast<std::size_t>(
      std::min(static_cast<std::int64_t>(one * count), bytes_to_send(request) - exchange.sent));
  if (request.source < 0) {
    std::memcpy(room, request.body.data() + exchange.sent, wanted);
    exchange.sent += static_cast<std::int64_t>(wanted);
    return wanted;
  }
  if (wanted == 0) return 0;
  const ssize_t got = ::pread(request.source, room, wanted, request.source_begin + exchange.sent);
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
  return static_cast<Exchange*>(from)->should_stop() ? 1 : 0;
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

Failure failure_of(CURLcode code, bool sent, std::string_view reason) {
  switch (code) {
    case CURLE_OK:
      return Failure::None;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return Failure::NotConnected;
    case CURLE_OPERATION_TIMEDOUT:
      return sent ? Failure::TimedOut : Failure::NotConnected;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
      return Failure::NotTrusted;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return Failure::Malformed;
    case CURLE_ABORTED_BY_CALLBACK:
      return Failure::Stopped;
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_FAIL_REWIND:
      // A peer that does not accept our certificate says so by an alert.
      return reason.find(" alert ") == std::string_view::npos ? Failure::Broken
                                                              : Failure::NotTrusted;
    default:
      return Failure::Local;
  }
}

bool is_here(std::string_view url) {
  const std::string_view host = url.substr(std::min(url.size(), url.find("//") + 2));
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

}  // namespace

// A connection with the settings of its requests. Those that vary are set by each of them.
struct Client::Handle {
  CURL* curl = ::curl_easy_init();
  std::array<char, CURL_ERROR_SIZE> reason{};

  explicit Handle(const Trust& trust);
  ~Handle() { ::curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  template <typename T>
  void set(CURLoption option, T value) const {
    if (::curl_easy_setopt(curl, option, value) != CURLE_OK)
      fail(ErrorCode::Internal, "libcurl does not take option ", static_cast<int>(option));
  }
  void set_method(Exchange& exchange) const;
  void set_limits(const Request& request) const;
  void set_identity(const Identity& identity) const;
  void perform(Exchange& exchange);
  std::string reason_of(CURLcode code) const;
};

Client::Handle::Handle(const Trust& trust) {
  if (curl == nullptr) fail(ErrorCode::Internal, "libcurl cannot be set up");
  set(CURLOPT_ERRORBUFFER, reason.data());
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_READFUNCTION, give_body);
  set(CURLOPT_SEEKFUNCTION, rewind_body);
  set(CURLOPT_XFERINFOFUNCTION, look_for_stop);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_MAXCONNECTS, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, kReceiveBytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, kSendBytes);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  if (!trust.ca_file.empty()) set(CURLOPT_CAINFO, trust.ca_file.c_str());
  if (!trust.certificate.empty()) {
    set(CURLOPT_SSLCERT, trust.certificate.c_str());
    set(CURLOPT_SSLKEY, trust.key.c_str());
  }
  set(CURLOPT_SSL_VERIFYPEER, trust.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, trust.verify ? 2L : 0L);
}

void Client::Handle::set_method(Exchange& exchange) const {
  const Request& request = exchange.request;
  const std::string& method = request.method;
  set(CURLOPT_POSTFIELDS, static_cast<const char*>(nullptr));  // would keep a PUT from a rewind
  set(CURLOPT_HTTPGET, 1L);
  set(CURLOPT_CUSTOMREQUEST, static_cast<const char*>(nullptr));
  if (method == "GET") return;
  if (method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
    return;
  }
  const auto bytes = static_cast<curl_off_t>(bytes_to_send(request));
  if (method == "PUT") {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, bytes);
    set(CURLOPT_READDATA, &exchange);
    set(CURLOPT_SEEKDATA, &exchange);
    return;
  }
  if (method == "POST" || bytes > 0) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, bytes);
    set(CURLOPT_POSTFIELDS, bytes > 0 ? request.body.data() : "");
  }
  if (method != "POST") set(CURLOPT_CUSTOMREQUEST, method.c_str());
}

void Client::Handle::set_limits(const Request& request) const {
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_limit.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.limit.count()));
  set(CURLOPT_LOW_SPEED_TIME, request.limit.count() == 0 ? kSilentSeconds : 0L);
  set(CURLOPT_FRESH_CONNECT, request.fresh ? 1L : 0L);
  const long version = request.http2 ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_1_1;
  set(CURLOPT_HTTP_VERSION, version);
  set(CURLOPT_NOPROXY, request.direct || is_here(request.url) ? "*" : nullptr);
}

void Client::Handle::set_identity(const Identity& identity) const {
  const bool known = !identity.access_key.empty();
  const std::string service = "aws:amz:" + identity.region + ":s3";
  set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  set(CURLOPT_AWS_SIGV4, known ? service.c_str() : nullptr);
  set(CURLOPT_USERNAME, known ? identity.access_key.c_str() : nullptr);
  set(CURLOPT_PASSWORD, known ? identity.secret_key.c_str() : nullptr);
}

void Client::Handle::perform(Exchange& exchange) {
  reason[0] = '\0';
  CURLcode code = CURLE_OK;
  {
    std::optional<NoBrokenPipes> guard;
    if (exchange.request.url.starts_with("https")) guard.emplace();
    code = ::curl_easy_perform(curl);
  }
  Answer& answer = exchange.answer;
  ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_off_t seconds = 0;
  ::curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
  answer.retry_after = std::min<std::chrono::seconds>(std::chrono::seconds(seconds), kLongestPause);
  // libcurl takes an end of the connection within the head for the end of the answer.
  if (code == CURLE_OK && !exchange.head_complete) code = CURLE_PARTIAL_FILE;
  if (code == CURLE_OK) return;
  curl_off_t sent_at = 0;
  ::curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &sent_at);
  answer.reason = reason_of(code);
  answer.failure = failure_of(code, sent_at != 0, answer.reason);
  answer.truncated = code == CURLE_PARTIAL_FILE;
  if (answer.disk_error != 0) answer.failure = Failure::Local;
  if (!exchange.too_long) return;
  answer.failure = Failure::Malformed;
  answer.reason =
      "the answer is longer than " + std::to_string(exchange.request.largest) + " bytes";
}

std::string Client::Handle::reason_of(CURLcode code) const {
  long number = 0;
  ::curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
  // The library's text names the milliseconds, so that no two of them are alike.
  if (code == CURLE_COULDNT_CONNECT && number != 0) return std::strerror(static_cast<int>(number));
  std::string text = reason[0] != '\0' ? reason.data() : ::curl_easy_strerror(code);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string Answer::header(std::string_view name) const {
  const auto same = [](unsigned char a, unsigned char b) {
    return std::tolower(a) == std::tolower(b);
  };
  std::string_view value;
  for (std::string_view rest = head; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const bool named = line.size() > name.size() && line[name.size()] == ':' &&
                       std::equal(name.begin(), name.end(), line.begin(), same);
    if (named) value = line.substr(name.size() + 1);
  }
  constexpr std::string_view kBlank = " \t\r";
  value.remove_prefix(std::min(value.find_first_not_of(kBlank), value.size()));
  return std::string(value.substr(0, value.find_last_not_of(kBlank) + 1));
}

Client::Client(std::function<bool()> should_stop, Trust trust)
    : should_stop_(std::move(should_stop)), trust_(std::move(trust)) {
  static const CURLcode started = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK)
    fail(ErrorCode::Internal, "cannot start libcurl: ", ::curl_easy_strerror(started));
}

Client::~Client() = default;

std::unique_ptr<Client::Handle> Client::take_handle() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Handle> handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  return std::make_unique<Handle>(trust_);
}

Answer Client::send(const Request& request, const Identity& identity) const {
  Answer answer;
  std::unique_ptr<Handle> handle = take_handle();
  Exchange exchange{handle->curl, request, answer, should_stop_};
  HeaderList headers;
  for (const std::string& header : request.headers) headers.add(header);
  // No round trip before the body; a signature would count the line.
  if (request.method == "POST" && identity.access_key.empty()) headers.add("Expect:");
  handle->set(CURLOPT_URL, request.url.c_str());
  handle->set(CURLOPT_HTTPHEADER, headers.get());
  handle->set(CURLOPT_WRITEDATA, &exchange);
  handle->set(CURLOPT_HEADERDATA, &exchange);
  handle->set(CURLOPT_NOPROGRESS, should_stop_ ? 0L : 1L);
  handle->set(CURLOPT_XFERINFODATA, &exchange);
  handle->set_limits(request);
  handle->set_identity(identity);
  handle->set_method(exchange);
  handle->perform(exchange);
  handle->set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(handle));
  return answer;
}

}  // namespace jetcal::http
