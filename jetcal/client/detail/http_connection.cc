// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/detail/http_connection.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "jetcal/base/error.h"

namespace jetcal::client::detail {
namespace {

constexpr std::string_view kLengthHeader = "inference-header-content-length:";
constexpr long kBufferBytes = 512L << 10;  // of libcurl; requests of a thousand jets are megabytes

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

struct Sink {
  HttpOutcome outcome;
  std::size_t limit = 0;
  bool too_large = false;
  bool head_complete = false;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* target) {
  auto& sink = *static_cast<Sink*>(target);
  if (size > sink.limit - sink.outcome.body.size()) {
    sink.too_large = true;
    return 0;
  }
  sink.outcome.body.append(data, size);
  return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* target) {
  auto& sink = *static_cast<Sink*>(target);
  HttpOutcome& outcome = sink.outcome;
  const std::string_view line(data, size);
  sink.head_complete = line == "\r\n" || line == "\n";
  if (line.starts_with("HTTP/")) {  // 100 Continue or the like came before
    outcome.json_length.reset();
    return size;
  }
  const bool wanted =
      line.size() > kLengthHeader.size() &&
      std::equal(kLengthHeader.begin(), kLengthHeader.end(), line.begin(),
                 [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); });
  if (!wanted) return size;
  const std::size_t begin = line.find_first_not_of(" \t", kLengthHeader.size());
  std::size_t length = 0;
  if (begin != std::string_view::npos &&
      std::from_chars(line.data() + begin, line.data() + line.size(), length).ec == std::errc())
    outcome.json_length = length;
  return size;
}

}  // namespace

struct HttpConnection::Handle {
  CURL* curl = nullptr;
  std::array<char, CURL_ERROR_SIZE> text{};
  Handle() : curl(::curl_easy_init()) {}
  ~Handle() { ::curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  template <typename T>
  void set(CURLoption option, T value) const {
    if (::curl_easy_setopt(curl, option, value) != CURLE_OK)
      fail(ErrorCode::Internal, "libcurl does not take option ", static_cast<int>(option));
  }
};

HttpConnection::HttpConnection(const ClientOptions& options)
    : options_(options), base_(options.url) {
  static const CURLcode started = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  handle_ = std::make_unique<Handle>();
  if (started != CURLE_OK || handle_->curl == nullptr)
    fail(ErrorCode::Internal, "libcurl cannot be set up");
  while (base_.ends_with('/')) base_.pop_back();
  set_constant_options();
}

HttpConnection::~HttpConnection() = default;

void HttpConnection::set_constant_options() {
  const Handle& handle = *handle_;
  handle.set(CURLOPT_ERRORBUFFER, handle_->text.data());
  handle.set(CURLOPT_WRITEFUNCTION, take_body);
  handle.set(CURLOPT_HEADERFUNCTION, take_header);
  handle.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout.count()));
  handle.set(CURLOPT_NOSIGNAL, 1L);
  handle.set(CURLOPT_MAXCONNECTS, 1L);
  handle.set(CURLOPT_TCP_KEEPALIVE, 1L);
  handle.set(CURLOPT_BUFFERSIZE, kBufferBytes);
  handle.set(CURLOPT_UPLOAD_BUFFERSIZE, kBufferBytes);
  handle.set(CURLOPT_PROTOCOLS_STR, "http,https");
  handle.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  const TlsOptions& tls = options_.tls;
  if (!tls.authority.empty()) handle.set(CURLOPT_CAINFO, tls.authority.c_str());
  if (!tls.certificate.empty()) {
    handle.set(CURLOPT_SSLCERT, tls.certificate.c_str());
    handle.set(CURLOPT_SSLKEY, tls.key.c_str());
  }
  handle.set(CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  handle.set(CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  // A server on this machine is not asked through a proxy.
  const std::string_view host = std::string_view(base_).substr(base_.find("//") + 2);
  if (host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]"))
    handle.set(CURLOPT_NOPROXY, "*");
}

HttpOutcome HttpConnection::exchange(const HttpRequest& request) {
  const Handle& handle = *handle_;
  const std::string url = base_ + request.path;
  Sink sink;
  sink.limit = options_.max_reply_bytes;
  HeaderList headers;
  for (const std::string& line : request.headers) headers.add(line);
  handle.set(CURLOPT_URL, url.c_str());
  handle.set(CURLOPT_WRITEDATA, static_cast<void*>(&sink));
  handle.set(CURLOPT_HEADERDATA, static_cast<void*>(&sink));
  handle.set(CURLOPT_TIMEOUT_MS,
             static_cast<long>(std::max<std::int64_t>(1, request.limit.count())));
  handle.set(CURLOPT_FRESH_CONNECT, request.fresh ? 1L : 0L);
  if (request.method == "GET") {
    handle.set(CURLOPT_HTTPGET, 1L);
  } else {
    headers.add("Expect:");  // no round trip before the body
    handle.set(CURLOPT_POST, 1L);
    handle.set(CURLOPT_POSTFIELDS, request.body.data());
    handle.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  handle.set(CURLOPT_HTTPHEADER, headers.get());
  handle_->text[0] = '\0';
  const CURLcode code = ::curl_easy_perform(handle.curl);
  handle.set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
  // libcurl takes an end of the connection within the head for the end of the reply.
  if (code == CURLE_OK && !sink.head_complete)
    return explain(static_cast<int>(CURLE_PARTIAL_FILE), std::move(sink.outcome));
  if (code == CURLE_OK) {
    ::curl_easy_getinfo(handle.curl, CURLINFO_RESPONSE_CODE, &sink.outcome.status);
    curl_off_t seconds = 0;
    ::curl_easy_getinfo(handle.curl, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds > 0) sink.outcome.retry_after = std::chrono::seconds(seconds);
    return std::move(sink.outcome);
  }
  if (sink.too_large) {
    sink.outcome.failure = Failure::Malformed;
    sink.outcome.reason =
        "its reply is longer than " + std::to_string(options_.max_reply_bytes) + " bytes";
    return std::move(sink.outcome);
  }
  return explain(static_cast<int>(code), std::move(sink.outcome));
}

HttpOutcome HttpConnection::explain(int code, HttpOutcome outcome) const {
  outcome.reason = handle_->text[0] != '\0' ? handle_->text.data()
                                            : ::curl_easy_strerror(static_cast<CURLcode>(code));
  while (outcome.reason.ends_with('\n')) outcome.reason.pop_back();
  curl_off_t sent_at = 0;
  ::curl_easy_getinfo(handle_->curl, CURLINFO_PRETRANSFER_TIME_T, &sent_at);
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      outcome.failure = Failure::NotConnected;
      break;
    case CURLE_OPERATION_TIMEDOUT:
      outcome.failure = sent_at == 0 ? Failure::NotConnected : Failure::TimedOut;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
      outcome.failure = Failure::NotTrusted;
      break;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      outcome.failure = Failure::Malformed;
      break;
    default:
      // A peer that does not accept our certificate says so by an alert.
      outcome.failure = outcome.reason.find(" alert ") != std::string::npos ? Failure::NotTrusted
                                                                            : Failure::Broken;
  }
  return outcome;
}

}  // namespace jetcal::client::detail
