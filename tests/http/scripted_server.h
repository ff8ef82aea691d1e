// SPDX-License-Identifier: Apache-2.0
// A server on the loopback interface that does what a test has written down, request by request.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace jetcal::http {

/// What becomes of one request.
struct Step {
  std::string reply;  ///< Bytes to send; none: the connection ends without an answer.
  std::chrono::milliseconds delay{0};
  bool close = false;  ///< After the reply.
};

inline std::string http_reply(int status, const std::string& body,
                              const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Text\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline Step answer(int status, const std::string& body, const std::string& headers = "") {
  return {http_reply(status, body, headers)};
}
inline Step answer_after(std::chrono::milliseconds delay, const std::string& body) {
  return {http_reply(200, body), delay};
}
inline Step hang_up() { return {}; }
inline Step cut(const std::string& bytes) { return {bytes, {}, true}; }

/// Answers with its steps in the order in which requests arrive, and repeats the last one.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<Step> steps)
      : steps_(steps.begin(), steps.end()), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no port is free");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    stop_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  int most_at_once() const { return most_; }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static constexpr int kLookMs = 20;

  void accept_all() {
    while (!stop_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, kLookMs) <= 0) continue;
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) continue;
      ++connections_;
      threads_.emplace_back([this, socket] {
        serve(socket);
        ::close(socket);
      });
    }
  }

  // Reads one request, or returns false at the end.
  bool read_request(int socket, std::string& input, std::string& request) const {
    for (;;) {
      const std::size_t head = input.find("\r\n\r\n");
      if (head != std::string::npos) {
        const std::size_t at = input.find("Content-Length: ");
        const std::size_t body =
            at < head ? std::strtoul(input.c_str() + at + 16, nullptr, 10) : std::size_t{0};
        if (input.size() >= head + 4 + body) {
          request = input.substr(0, head + 4 + body);
          input.erase(0, head + 4 + body);
          return true;
        }
      }
      pollfd waiting{socket, POLLIN, 0};
      while (::poll(&waiting, 1, kLookMs) == 0) {
        if (stop_) return false;
      }
      char chunk[65536];
      const ssize_t got = ::recv(socket, chunk, sizeof chunk, 0);
      if (got <= 0) return false;
      input.append(chunk, static_cast<std::size_t>(got));
    }
  }

  void serve(int socket) {
    std::string input, request;
    while (read_request(socket, input, request)) {
      Step step;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
        step = steps_.front();
        if (steps_.size() > 1) steps_.pop_front();
        most_ = std::max(most_.load(), ++busy_);
      }
      std::this_thread::sleep_for(step.delay);
      std::size_t sent = 0;
      while (sent < step.reply.size()) {
        const ssize_t now =
            ::send(socket, step.reply.data() + sent, step.reply.size() - sent, MSG_NOSIGNAL);
        if (now <= 0) break;
        sent += static_cast<std::size_t>(now);
      }
      --busy_;
      if (step.reply.empty() || step.close) return;
    }
  }

  std::deque<Step> steps_;
  int listener_;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0}, busy_{0}, most_{0};
  std::mutex mutex_;  // of steps_ and requests_
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace jetcal::http
