// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/event_loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/log.h"
#include "jetcal/server/detail/http1_connection.h"
#include "jetcal/server/detail/http2_connection.h"
#include "jetcal/server/detail/tls_handshake.h"
#include "jetcal/server/tls_credentials.h"

namespace jetcal::server::detail {
namespace {

constexpr std::uint64_t kListenerId = 0;
constexpr std::uint64_t kMailboxId = 1;
constexpr std::uint64_t kFirstConnectionId = 2;
constexpr std::size_t kMaxEvents = 128;

// A write to a connection that the client has closed is an error like others.
void block_broken_pipe_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

EventLoop::EventLoop(const HttpOptions& options, HttpHandler& handler, const GrpcServices* grpc,
                     const HttpSecurity& security, int listener,
                     std::atomic<std::size_t>& open_connections)
    : options_(options),
      handler_(handler),
      grpc_(grpc),
      security_(security),
      listener_(listener),
      open_connections_(open_connections),
      mailbox_(std::make_shared<Mailbox>()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      next_id_(kFirstConnectionId) {
  using std::chrono::milliseconds;
  if (epoll_ < 0)
    fail(ErrorCode::ResourceExhausted, "cannot make an epoll set: ", std::strerror(errno));
  const auto shortest = std::min(
      {options.idle_timeout, options.head_timeout, options.stall_timeout, options.drain_timeout});
  tick_ = std::clamp(shortest / 4, milliseconds(5), milliseconds(500));
  // Exclusive: one loop wakes for a new connection, not all of them.
  if (!watch(mailbox_->wake_fd, kMailboxId, EPOLLIN, EPOLL_CTL_ADD) ||
      !watch(listener_, kListenerId, EPOLLIN | EPOLLEXCLUSIVE, EPOLL_CTL_ADD)) {
    const int number = errno;
    ::close(epoll_);
    fail(ErrorCode::ResourceExhausted, "cannot watch a socket: ", std::strerror(number));
  }
}

EventLoop::~EventLoop() {
  if (thread_.joinable()) {
    begin_drain();
    thread_.join();
  }
  ::close(epoll_);
}

void EventLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void EventLoop::begin_drain() {
  draining_.store(true);
  mailbox_->wake();
}

std::size_t EventLoop::join() {
  if (thread_.joinable()) thread_.join();
  return given_up_;
}

bool EventLoop::watch(int file, std::uint64_t id, std::uint32_t events, int operation) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return ::epoll_ctl(epoll_, operation, file, &event) == 0;
}

void EventLoop::run() {
  block_broken_pipe_signal();
  mailbox_->owner = std::this_thread::get_id();
  next_tick_ = Clock::now() + tick_;
  std::array<epoll_event, kMaxEvents> events{};
  for (;;) {
    const int count = wait_for(events);
    const Clock::time_point now = Clock::now();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == kListenerId) {
        accept_all(now);
      } else if (event.data.u64 == kMailboxId) {
        mailbox_->clear_wake();
      } else {
        handle_event(event.data.u64, event.events, now);
      }
    }
    read_held_input(now);
    sound_alarms(now);
    if (now >= next_tick_) check_deadlines(now);
    // Last: what this thread has posted wakes nobody, nor does what is posted behind it.
    deliver_replies(now);
    if (draining_.load() && drained(now)) break;
  }
  for (const auto& [id, connection] : connections_) given_up_ += connection->busy() ? 1 : 0;
  open_connections_.fetch_sub(connections_.size());
  connections_.clear();
}

int EventLoop::wait_for(std::span<epoll_event> events) {
  const auto ask = [&](int milliseconds) {
    return ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
  };
  int count = ask(0);
  if (count > 0) {
    mailbox_->set_alone(false);  // it had been waiting for the loop
    return count;
  }
  const Clock::time_point begun = Clock::now();
  while (polls_ && holding_.empty() && count == 0 && Clock::now() - begun < options_.busy_poll) {
    std::this_thread::yield();
    count = ask(0);
  }
  if (count == 0) count = ask(time_to_wait(Clock::now()));
  polls_ = Clock::now() - begun < options_.busy_poll;
  mailbox_->set_alone(count == 1);
  return count;
}

int EventLoop::time_to_wait(Clock::time_point now) const {
  if (!holding_.empty()) return 0;
  using std::chrono::milliseconds;
  const bool timed = !connections_.empty() || !accepting_;
  const std::optional<Clock::time_point> alarm = timers_.next();
  if (!alarm) return timed ? static_cast<int>(tick_.count()) : -1;
  // Rounded up, so that the alarm has come when the loop wakes.
  const auto left = std::chrono::ceil<milliseconds>(*alarm - now);
  return static_cast<int>(std::clamp(left, milliseconds(0), tick_).count());
}

void EventLoop::sound_alarms(Clock::time_point now) {
  while (const auto alarm = timers_.take_due(now)) {
    const auto found = connections_.find(alarm->connection);
    if (found == connections_.end()) continue;
    found->second->on_timer(now);
    settle(alarm->connection);
  }
}

void EventLoop::read_held_input(Clock::time_point now) {
  std::vector<std::uint64_t> ids;
  ids.swap(holding_);
  for (const std::uint64_t id : ids) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || !found->second->holds_input()) continue;
    handle_event(id, EPOLLIN, now);
  }
}

void EventLoop::accept_all(Clock::time_point now) {
  while (accepting_) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      admit(socket, now);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE) {
      spdlog::warn("no more file descriptors: new connections wait");
      watch(listener_, kListenerId, 0, EPOLL_CTL_DEL);
      accepting_ = false;  // until the next tick
    }
    return;  // nothing more, or a client that went away
  }
}

void EventLoop::admit(int socket, Clock::time_point now) {
  if (open_connections_.fetch_add(1) >= options_.max_connections) {
    open_connections_.fetch_sub(1);
    counters_.rejected_connections.fetch_add(1, std::memory_order_relaxed);
    static constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        "Retry-After: 1\r\nConnection: close\r\n\r\n"
        "{\"error\":\"the server has too many connections\"}";
    if (security_.tls == nullptr) {
      [[maybe_unused]] const auto sent =
          ::send(socket, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    ::close(socket);
    return;
  }
  counters_.connections.fetch_add(1, std::memory_order_relaxed);
  const int one = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  const std::uint64_t id = next_id_++;
  std::unique_ptr<Connection> connection = first_connection(socket, id, now);
  if (connection == nullptr) {
    open_connections_.fetch_sub(1);
    return;
  }
  connection->watched_events = connection->wanted_events();
  if (!watch(socket, id, connection->watched_events, EPOLL_CTL_ADD)) {
    open_connections_.fetch_sub(1);
    return;  // the kernel's limit of watches; the connection is closed
  }
  connections_.emplace(id, std::move(connection));
}

ConnectionContext EventLoop::context() {
  return {options_, handler_, grpc_, security_.tokens, mailbox_, timers_, counters_};
}

std::unique_ptr<Connection> EventLoop::first_connection(int socket, std::uint64_t id,
                                                        Clock::time_point now) {
  if (security_.tls == nullptr)
    return std::make_unique<Http1Connection>(std::make_unique<Transport>(socket), id, context(),
                                             now);
  try {
    auto transport = std::make_unique<TlsTransport>(socket, security_.tls->context().get());
    return std::make_unique<TlsHandshake>(std::move(transport), id, context(), now);
  } catch (const Error& error) {
    spdlog::warn("a connection is closed: {}", error.what());
    return nullptr;
  }
}

void EventLoop::handle_event(std::uint64_t id, std::uint32_t events, Clock::time_point now) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  Connection& connection = *found->second;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
    connection.on_hangup();
  } else {
    if ((events & EPOLLIN) != 0) connection.on_readable(now);
    if ((events & EPOLLOUT) != 0) connection.on_writable(now);
  }
  settle(id);
}

void EventLoop::switch_protocol(std::unique_ptr<Connection>& connection, Protocol protocol) {
  const Clock::time_point now = Clock::now();
  std::unique_ptr<Connection> next;
  if (protocol == Protocol::Http1) {
    next = std::make_unique<Http1Connection>(connection->release_transport(), connection->id(),
                                             context(), now);
  } else {
    auto http2 = std::make_unique<Http2Connection>(connection->release_transport(),
                                                   connection->id(), context(), now);
    http2->start(connection->first_bytes(), now);
    next = std::move(http2);
  }
  next->watched_events = connection->watched_events;
  if (draining_.load(std::memory_order_relaxed)) next->drain(now);
  connection = std::move(next);
}

void EventLoop::settle(std::uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  const Protocol next = found->second->next_protocol();
  if (next != Protocol::Same) switch_protocol(found->second, next);
  Connection& connection = *found->second;
  if (connection.closed()) {
    connections_.erase(found);
    open_connections_.fetch_sub(1);
    return;
  }
  const std::uint32_t wanted = connection.wanted_events();
  if ((wanted & EPOLLIN) != 0 && connection.holds_input()) holding_.push_back(id);
  if (wanted == connection.watched_events) return;
  if (watch(connection.socket(), id, wanted, EPOLL_CTL_MOD)) connection.watched_events = wanted;
}

void EventLoop::deliver_replies(Clock::time_point now) {
  // A delivered reply may let the next pipelined request in, whose reply may be here at once.
  for (auto letters = mailbox_->take(); !letters.empty(); letters = mailbox_->take()) {
    delivered_.clear();
    for (Letter& letter : letters) {
      const auto found = connections_.find(letter.connection);
      if (found == connections_.end()) continue;  // the client has gone
      if (draining_.load(std::memory_order_relaxed)) found->second->drain(now);
      delivered_.push_back(letter.connection);
      found->second->deliver(std::move(letter), now);
    }
    std::sort(delivered_.begin(), delivered_.end());
    delivered_.erase(std::unique(delivered_.begin(), delivered_.end()), delivered_.end());
    for (const std::uint64_t id : delivered_) {
      connections_.at(id)->flush_replies(now);
      settle(id);
    }
  }
}

void EventLoop::check_deadlines(Clock::time_point now) {
  next_tick_ = now + tick_;
  if (!accepting_ && !draining_.load()) {
    accepting_ = watch(listener_, kListenerId, EPOLLIN | EPOLLEXCLUSIVE, EPOLL_CTL_ADD);
  }
  std::vector<std::uint64_t> changed;
  for (const auto& [id, connection] : connections_) {
    connection->check_deadline(now);
    const bool differs = connection->wanted_events() != connection->watched_events;
    if (connection->closed() || differs) changed.push_back(id);
  }
  for (const std::uint64_t id : changed) settle(id);
}

void EventLoop::start_drain(Clock::time_point now) {
  if (accepting_) watch(listener_, kListenerId, 0, EPOLL_CTL_DEL);
  accepting_ = false;
  std::vector<std::uint64_t> ids;
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  for (const std::uint64_t id : ids) {
    connections_.at(id)->drain(now);
    settle(id);
  }
}

bool EventLoop::drained(Clock::time_point now) {
  if (drain_until_ == Clock::time_point{}) {
    drain_until_ = now + options_.drain_timeout;
    start_drain(now);
  }
  if (now >= drain_until_) return true;
  return std::none_of(connections_.begin(), connections_.end(),
                      [](const auto& entry) { return entry.second->busy(); });
}

}  // namespace jetcal::server::detail
