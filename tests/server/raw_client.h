// SPDX-License-Identifier: Apache-2.0
// A client on a bare socket, for requests that no HTTP library would send.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace jetcal::server {

struct RawReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names as sent
  std::string body;
};

/// Throws std::runtime_error when the server closes or says nothing for five seconds.
class RawClient {
 public:
  explicit RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(socket_);
      throw std::runtime_error("connection refused");
    }
    const int one = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const timeval limit{5, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void half_close() const { ::shutdown(socket_, SHUT_WR); }

  /// Sends everything, or what the server takes before it closes.
  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Reads one reply; `head_only` for the reply to HEAD and for "100 Continue".
  RawReply read(bool head_only = false) {
    std::size_t end = 0;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) more();
    RawReply reply;
    const std::string head = input_.substr(0, end);
    input_.erase(0, end + 4);
    reply.status = std::atoi(head.substr(head.find(' ') + 1, 3).c_str());
    for (std::size_t line = head.find("\r\n"); line != std::string::npos;) {
      const std::size_t next = head.find("\r\n", line + 2);
      const std::string text = head.substr(line + 2, next - line - 2);
      const std::size_t colon = text.find(": ");
      reply.headers[text.substr(0, colon)] = text.substr(colon + 2);
      line = next;
    }
    if (head_only || reply.headers.count("Content-Length") == 0) return reply;
    const std::size_t length = std::stoul(reply.headers["Content-Length"]);
    while (input_.size() < length) more();
    reply.body = input_.substr(0, length);
    input_.erase(0, length);
    return reply;
  }

  RawReply ask(std::string_view bytes) {
    send(bytes);
    return read();
  }

  /// Reads until the server closes or says nothing for five seconds.
  void read_to_the_end() const {
    char chunk[4096];
    while (::recv(socket_, chunk, sizeof chunk, 0) > 0) continue;
  }

  /// Tells whether the server has ended the connection (waits for it).
  bool ended() {
    char byte = 0;
    const ssize_t got = input_.empty() ? ::recv(socket_, &byte, 1, 0) : 1;
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

 private:
  void more() {
    char chunk[4096];
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) throw std::runtime_error("the server closed or said nothing");
    input_.append(chunk, static_cast<std::size_t>(got));
  }
  int socket_;
  std::string input_;
};

inline std::string get_request(std::string_view target, std::string_view headers = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(headers) + "\r\n";
}

inline std::string post_request(std::string_view target, std::string_view body,
                                std::string_view headers = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace jetcal::server
