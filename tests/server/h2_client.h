// SPDX-License-Identifier: Apache-2.0
// A blocking HTTP/2 client over libnghttp2, without TLS, for calls that no gRPC library would make.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jetcal::server {

struct H2Reply {
  std::map<std::string, std::string> headers, trailers;
  std::string body;
  bool closed = false;
  std::uint32_t reset = 0;  // error code of RST_STREAM

  int status() const { return std::atoi(headers.at(":status").c_str()); }
  std::string grpc_status() const { return header("grpc-status"); }
  std::string grpc_message() const { return header("grpc-message"); }
  std::string header(const std::string& name) const {
    const auto trailer = trailers.find(name);
    if (trailer != trailers.end()) return trailer->second;
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// Throws std::runtime_error when the server says nothing for five seconds.
class H2Client {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  explicit H2Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("connection refused");
    const timeval limit{5, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    flush();
  }
  ~H2Client() {
    nghttp2_session_del(session_);
    if (socket_ >= 0) ::close(socket_);
  }
  H2Client(const H2Client&) = delete;
  H2Client& operator=(const H2Client&) = delete;

  /// Opens a stream; its request body stays open until end().
  std::int32_t open(const std::string& method, const std::string& path, const Headers& more = {}) {
    Headers all{{":method", method}, {":scheme", "http"}, {":authority", "h"}, {":path", path}};
    all.insert(all.end(), more.begin(), more.end());
    std::vector<nghttp2_nv> fields;
    for (auto& [name, value] : all)
      fields.push_back({reinterpret_cast<std::uint8_t*>(name.data()),
                        reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(),
                        NGHTTP2_NV_FLAG_NONE});
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    const std::int32_t id =
        nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &provider, nullptr);
    outgoing_[id];
    replies[id];
    flush();
    return id;
  }
  std::int32_t open_grpc(const std::string& path, const Headers& more = {}) {
    Headers all{{"te", "trailers"}, {"content-type", "application/grpc"}};
    all.insert(all.end(), more.begin(), more.end());
    return open("POST", path, all);
  }
  void send(std::int32_t id, std::string_view bytes) {
    outgoing_[id].bytes += bytes;
    nghttp2_session_resume_data(session_, id);
    flush();
  }
  void end(std::int32_t id) {
    outgoing_[id].ended = true;
    nghttp2_session_resume_data(session_, id);
    flush();
  }
  void reset(std::int32_t id) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    flush();
  }
  void ping() {
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
    flush();
  }
  /// Reads until the condition holds.
  void read_until(const std::function<bool()>& condition) {
    while (!condition()) {
      std::array<std::uint8_t, 16384> chunk{};
      const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
      if (got <= 0) {
        gone = got == 0;
        if (condition()) return;
        throw std::runtime_error("the server closed or said nothing");
      }
      if (nghttp2_session_mem_recv(session_, chunk.data(), static_cast<std::size_t>(got)) < 0)
        throw std::runtime_error("the server broke the protocol");
      flush();
    }
  }
  const H2Reply& finish(std::int32_t id) {
    read_until([&] { return replies[id].closed; });
    return replies[id];
  }
  const H2Reply& request(const std::string& method, const std::string& path,
                         std::string_view body = {}, const Headers& more = {}) {
    const std::int32_t id = open(method, path, more);
    if (!body.empty()) send(id, body);
    end(id);
    return finish(id);
  }
  /// A unary call with one message as it is.
  const H2Reply& call(const std::string& path, std::string_view message, const Headers& more = {}) {
    const std::int32_t id = open_grpc(path, more);
    send(id, framed(message));
    end(id);
    return finish(id);
  }
  /// Stops sending; the socket stays open.
  void disconnect() {
    ::close(socket_);
    socket_ = -1;
  }

  static std::string framed(std::string_view message, bool compressed = false) {
    std::string out(1, compressed ? '\1' : '\0');
    for (int shift = 24; shift >= 0; shift -= 8)
      out += static_cast<char>(message.size() >> static_cast<unsigned>(shift));
    return out.append(message);
  }
  /// Cuts a body into its messages, as they are.
  static std::vector<std::string> messages(std::string_view body) {
    std::vector<std::string> out;
    while (body.size() >= 5) {
      std::size_t length = 0;
      for (int i = 1; i < 5; ++i) length = length << 8U | static_cast<unsigned char>(body[i]);
      out.emplace_back(body.substr(5, length));
      body.remove_prefix(5 + length);
    }
    return out;
  }

  std::map<std::int32_t, H2Reply> replies;
  int goaways = 0, pings = 0;
  std::int32_t last_stream = -1;  // of the last GOAWAY
  bool gone = false;              // the server has closed

 private:
  struct Outgoing {
    std::string bytes;
    bool ended = false;
  };
  static H2Client& self(void* user) { return *static_cast<H2Client*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) {
    H2Reply& reply = self(user).replies[frame->hd.stream_id];
    auto& where = frame->headers.cat == NGHTTP2_HCAT_RESPONSE ? reply.headers : reply.trailers;
    where[std::string(reinterpret_cast<const char*>(name), name_size)] =
        std::string(reinterpret_cast<const char*>(value), value_size);
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                     std::size_t size, void* user) {
    self(user).replies[id].body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t error, void* user) {
    self(user).replies[id].closed = true;
    self(user).replies[id].reset = error;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      ++self(user).goaways;
      self(user).last_stream = frame->goaway.last_stream_id;
    }
    if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
      ++self(user).pings;
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t* out, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    Outgoing& outgoing = self(user).outgoing_[id];
    const std::size_t size = std::min(room, outgoing.bytes.size());
    std::memcpy(out, outgoing.bytes.data(), size);
    outgoing.bytes.erase(0, size);
    if (!outgoing.bytes.empty()) return static_cast<ssize_t>(size);
    if (outgoing.ended) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (size == 0 && !outgoing.ended) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(size);
  }
  void flush() {
    const std::uint8_t* bytes = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
      for (ssize_t sent = 0; sent < size;) {
        const ssize_t got =
            ::send(socket_, bytes + sent, static_cast<std::size_t>(size - sent), MSG_NOSIGNAL);
        if (got <= 0) return;
        sent += got;
      }
    }
  }

  int socket_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Outgoing> outgoing_;
};

}  // namespace jetcal::server
