// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/http_server.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/server/detail/event_loop.h"
#include "jetcal/server/grpc_service.h"

namespace jetcal::server {
namespace {

constexpr int kBacklog = 1024;
constexpr int kMaxPort = 65535;
constexpr int kMaxIoThreads = 256;
constexpr std::size_t kMaxStreams = 1U << 20U;
constexpr std::chrono::microseconds kLongestBusyPoll{10000};

struct FreeAddresses {
  void operator()(addrinfo* addresses) const noexcept { ::freeaddrinfo(addresses); }
};

int listen_on(const HttpOptions& options) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const std::string port = std::to_string(options.port);
  const int status = ::getaddrinfo(options.host.c_str(), port.c_str(), &hints, &list);
  if (status != 0)
    fail(ErrorCode::InvalidArgument, "cannot listen on host '", options.host,
         "': ", ::gai_strerror(status));
  const std::unique_ptr<addrinfo, FreeAddresses> address(list);
  const int listener = ::socket(address->ai_family,
                                address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (listener < 0)
    fail(ErrorCode::ResourceExhausted, "cannot open a socket: ", std::strerror(errno));
  const int one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(listener, address->ai_addr, address->ai_addrlen) == 0 &&
      ::listen(listener, kBacklog) == 0)
    return listener;
  const int number = errno;
  ::close(listener);
  if (number == EADDRINUSE)
    fail(ErrorCode::FailedPrecondition, "port ", options.port, " on ", options.host,
         " is in use by another program");
  fail(ErrorCode::FailedPrecondition, "cannot listen on ", options.host, " port ", options.port,
       ": ", std::strerror(number));
}

int bound_port(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

void validate(const HttpOptions& options) {
  const auto check = [](bool good, const char* field, auto value) {
    if (!good) fail(ErrorCode::InvalidArgument, field, " is out of range: ", value);
  };
  check(options.port >= 0 && options.port <= kMaxPort, "http-port", options.port);
  check(options.io_threads >= 1 && options.io_threads <= kMaxIoThreads, "io-threads",
        options.io_threads);
  check(options.max_connections >= 1, "max-connections", options.max_connections);
  check(options.max_header_bytes >= 1024, "max-header-bytes", options.max_header_bytes);
  check(options.min_bytes_per_second >= 1, "min-bytes-per-second", options.min_bytes_per_second);
  check(options.idle_timeout.count() > 0, "idle-timeout", options.idle_timeout.count());
  check(options.head_timeout.count() > 0, "head-timeout", options.head_timeout.count());
  check(options.stall_timeout.count() > 0, "stall-timeout", options.stall_timeout.count());
  check(options.drain_timeout.count() > 0, "drain-timeout", options.drain_timeout.count());
  check(options.max_streams >= 1 && options.max_streams <= kMaxStreams, "max-streams",
        options.max_streams);
  check(options.ping_interval.count() > 0, "ping-interval", options.ping_interval.count());
  check(options.busy_poll.count() >= 0 && options.busy_poll <= kLongestBusyPoll, "busy-poll-us",
        options.busy_poll.count());
}

Responder::Responder(std::shared_ptr<detail::Mailbox> mailbox, std::uint64_t connection,
                     std::uint32_t stream, std::shared_ptr<Cancellation> cancellation)
    : mailbox_(std::move(mailbox)),
      connection_(connection),
      stream_(stream),
      cancellation_(std::move(cancellation)) {}

Responder::~Responder() {
  if (mailbox_) send(error_reply(500, "internal error: the request was dropped"));
}

std::chrono::nanoseconds Responder::turn() const { return mailbox_->take_turn(); }

void Responder::send(HttpReply reply) {
  const std::shared_ptr<detail::Mailbox> mailbox = std::move(mailbox_);
  mailbox_.reset();
  if (mailbox) mailbox->post({connection_, stream_, std::move(reply)});
}

BodyPlan NoHttp::plan_body(const HttpHead&) { return {0, 0}; }

void NoHttp::handle(HttpRequest, Responder responder) {
  responder.send(error_reply(404, "this port serves gRPC only"));
}

HttpServer::HttpServer(const HttpOptions& options, HttpHandler& handler, const GrpcServices* grpc,
                       const HttpSecurity& security)
    : options_(options) {
  validate(options);
  listener_ = listen_on(options);
  port_ = bound_port(listener_);
  try {
    for (int i = 0; i < options.io_threads; ++i)
      loops_.push_back(std::make_unique<detail::EventLoop>(options, handler, grpc, security,
                                                           listener_, open_connections_));
  } catch (const std::exception&) {
    ::close(listener_);
    throw;
  }
}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start() {
  for (const auto& loop : loops_) loop->start();
}

std::size_t HttpServer::stop() {
  std::size_t given_up = 0;
  for (const auto& loop : loops_) loop->begin_drain();
  if (listener_ >= 0) ::shutdown(listener_, SHUT_RDWR);  // refuses new clients at once
  for (const auto& loop : loops_) given_up += loop->join();
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
  return given_up;
}

HttpCounters& HttpCounters::operator+=(const HttpCounters& more) noexcept {
  connections += more.connections;
  rejected_connections += more.rejected_connections;
  requests += more.requests;
  grpc_calls += more.grpc_calls;
  bad_requests += more.bad_requests;
  timeouts += more.timeouts;
  unauthorized += more.unauthorized;
  tls_failures += more.tls_failures;
  return *this;
}

HttpCounters HttpServer::counters() const {
  HttpCounters sum;
  for (const auto& loop : loops_) {
    const detail::LoopCounters& counters = loop->counters();
    sum.connections += counters.connections.load();
    sum.rejected_connections += counters.rejected_connections.load();
    sum.requests += counters.requests.load();
    sum.grpc_calls += counters.grpc_calls.load();
    sum.bad_requests += counters.bad_requests.load();
    sum.timeouts += counters.timeouts.load();
    sum.unauthorized += counters.unauthorized.load();
    sum.tls_failures += counters.tls_failures.load();
  }
  return sum;
}

}  // namespace jetcal::server
