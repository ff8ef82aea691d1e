// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/http_client.h"

#include <http_parser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxParts = 64;

struct FreeAddresses {
  void operator()(addrinfo* addresses) const noexcept { ::freeaddrinfo(addresses); }
};

}  // namespace

const std::string* HttpResult::find(std::string_view name) const noexcept {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [name](const HttpHeader& header) { return header.name == name; });
  return found == headers.end() ? nullptr : &found->value;
}

// What http_parser makes of the bytes of one answer.
struct HttpClient::Reader {
  http_parser parser{};
  HttpResult result;
  bool in_value = false, complete = false, head_only = false, keep_alive = true;
  std::vector<char> buffer = std::vector<char>(kReadBytes);

  void begin(bool only_head) {
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = this;
    result = {};
    in_value = complete = false;
    head_only = only_head;
  }
  static Reader& self(http_parser* parser) { return *static_cast<Reader*>(parser->data); }
  static int on_field(http_parser* parser, const char* at, std::size_t size) {
    Reader& reader = self(parser);
    if (reader.in_value || reader.result.headers.empty()) reader.result.headers.emplace_back();
    reader.in_value = false;
    for (std::size_t i = 0; i < size; ++i) {
      const char c = at[i];
      reader.result.headers.back().name +=
          c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    return 0;
  }
  static int on_value(http_parser* parser, const char* at, std::size_t size) {
    self(parser).in_value = true;
    self(parser).result.headers.back().value.append(at, size);
    return 0;
  }
  static int on_headers(http_parser* parser) { return self(parser).head_only ? 1 : 0; }
  static int on_body(http_parser* parser, const char* at, std::size_t size) {
    self(parser).result.body.append(at, size);
    return 0;
  }
  static int on_complete(http_parser* parser) {
    Reader& reader = self(parser);
    reader.complete = true;
    reader.keep_alive = http_should_keep_alive(parser) != 0;
    reader.result.status = static_cast<int>(parser->status_code);
    return 0;
  }
  static http_parser_settings settings() {
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_header_field = on_field;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_headers;
    settings.on_body = on_body;
    settings.on_message_complete = on_complete;
    return settings;
  }
};

HttpClient::HttpClient(std::string host, int port, std::chrono::milliseconds timeout)
    : host_(std::move(host)), port_(port), timeout_(timeout), reader_(std::make_unique<Reader>()) {}

HttpClient::~HttpClient() { disconnect(); }

void HttpClient::disconnect() noexcept {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void HttpClient::connect() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(port_);
  const int status = ::getaddrinfo(host_.c_str(), port.c_str(), &hints, &list);
  if (status != 0)
    fail(ErrorCode::Unavailable, "cannot find the host '", host_, "': ", ::gai_strerror(status));
  const std::unique_ptr<addrinfo, FreeAddresses> address(list);
  socket_ = ::socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, IPPROTO_TCP);
  if (socket_ < 0)
    fail(ErrorCode::ResourceExhausted, "cannot open a socket: ", std::strerror(errno));
  const timeval limit{static_cast<time_t>(timeout_.count() / 1000),
                      static_cast<suseconds_t>(timeout_.count() % 1000 * 1000)};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const int one = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(socket_, address->ai_addr, address->ai_addrlen) == 0) return;
  const int number = errno;
  disconnect();
  fail(ErrorCode::Unavailable, "cannot connect to ", host_, " port ", port_, ": ",
       std::strerror(number));
}

// Returns false when the server has closed.
bool HttpClient::send_all(std::span<const std::string_view> parts) {
  std::size_t at = 0;    // first part that is not sent whole
  std::size_t done = 0;  // bytes of it
  while (at < parts.size()) {
    std::array<iovec, kMaxParts> segments{};
    std::size_t count = 0;
    for (std::size_t i = at; i < parts.size() && count < kMaxParts; ++i) {
      const std::size_t skip = i == at ? done : 0;
      segments[count++] = {const_cast<char*>(parts[i].data()) + skip, parts[i].size() - skip};
    }
    msghdr message{};
    message.msg_iov = segments.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    done += static_cast<std::size_t>(sent);
    while (at < parts.size() && done >= parts[at].size()) done -= parts[at++].size();
  }
  return true;
}

HttpResult HttpClient::read_answer(bool head_only) {
  static const http_parser_settings kSettings = Reader::settings();
  Reader& reader = *reader_;
  reader.begin(head_only);
  while (!reader.complete) {
    const ssize_t got = ::recv(socket_, reader.buffer.data(), reader.buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      fail(ErrorCode::DeadlineExceeded, "no answer from ", host_, " port ", port_, " within ",
           timeout_.count(), " ms");
    if (got <= 0)
      fail(ErrorCode::Unavailable, "the server at ", host_, " port ", port_,
           " ended the connection");
    const auto size = static_cast<std::size_t>(got);
    const std::size_t used =
        http_parser_execute(&reader.parser, &kSettings, reader.buffer.data(), size);
    if (used != size || HTTP_PARSER_ERRNO(&reader.parser) != HPE_OK)
      fail(ErrorCode::DataLoss, "the answer of ", host_, " port ", port_, " is no HTTP");
  }
  return std::move(reader.result);
}

HttpResult HttpClient::request(std::string_view method, const std::string& path,
                               std::span<const HttpHeader> headers,
                               std::span<const std::string_view> body) {
  std::size_t length = 0;
  for (const std::string_view part : body) length += part.size();
  std::string head = std::string(method) + " " + path + " HTTP/1.1\r\nHost: " + host_ + "\r\n";
  for (const HttpHeader& header : headers) head += header.name + ": " + header.value + "\r\n";
  if (length > 0 || method == "POST") head += "Content-Length: " + std::to_string(length) + "\r\n";
  head += "\r\n";
  std::vector<std::string_view> parts{head};
  for (const std::string_view part : body) {
    if (!part.empty()) parts.push_back(part);
  }
  const bool fresh = socket_ < 0;
  if (fresh) connect();
  try {
    if (!send_all(parts)) fail(ErrorCode::Unavailable, "the server ended the connection");
    HttpResult result = read_answer(method == "HEAD");
    if (!reader_->keep_alive) disconnect();
    return result;
  } catch (const Error& error) {
    disconnect();
    // A connection that was kept may have been closed for idleness just before it was used.
    const bool again = !fresh && error.code() == ErrorCode::Unavailable &&
                       reader_->result.headers.empty() && reader_->result.body.empty();
    if (!again) throw;
    return request(method, path, headers, body);
  }
}

}  // namespace jetcal::server
