// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/communicator.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <tuple>
#include <utility>

#include "jetcal/workers/detail/exchange.h"
#include "jetcal/workers/detail/links.h"
#include "jetcal/workers/detail/mpi_plugin.h"
#include "jetcal/workers/detail/tcp_links.h"

namespace jetcal::workers {

using detail::Clock;
using detail::Exchange;
using detail::MessageHeader;
using detail::MessageKind;
using detail::Payload;

namespace {

constexpr std::chrono::milliseconds kHeartbeat{1000};
// How long a failing worker tries to tell the others why.
constexpr std::chrono::milliseconds kLastWords{1000};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Payload payload_of(const Error& error) {
  std::vector<char> bytes{static_cast<char>(error.code())};
  const std::string text = error.what();
  bytes.insert(bytes.end(), text.begin(), text.end());
  return std::make_shared<const std::vector<char>>(std::move(bytes));
}

Error error_of(const std::vector<char>& bytes) {
  if (bytes.empty()) return {ErrorCode::Internal, "a worker failed"};
  const auto last = static_cast<int>(ErrorCode::Internal);
  const int code = std::clamp(static_cast<int>(bytes.front()), 0, last);
  return {static_cast<ErrorCode>(code), std::string(bytes.begin() + 1, bytes.end())};
}

Backend resolve(Backend asked, const Place& place) {
  if (asked != Backend::Auto) return asked;
  if (!place.below_mpirun) return Backend::Tcp;
  return detail::has_mpi_plugin() || place.address.empty() ? Backend::Mpi : Backend::Tcp;
}

}  // namespace

std::string_view backend_name(Backend backend) noexcept {
  return backend == Backend::Auto ? "auto" : backend == Backend::Tcp ? "tcp" : "mpi";
}

Backend parse_backend(std::string_view name) {
  for (const Backend backend : {Backend::Auto, Backend::Tcp, Backend::Mpi}) {
    if (name == backend_name(backend)) return backend;
  }
  fail(ErrorCode::InvalidArgument, "backend of the workers: expected auto, tcp or mpi, got '", name,
       "'");
}

struct Communicator::Operation {
  std::unique_ptr<Exchange> exchange;
  bool done = false;  // under the lock
};

// The thread, and all that it and the caller share.
struct Communicator::Engine final : detail::Receiver {
  Engine(const Place& where, Backend kind, const CommunicatorOptions& settings)
      : place(where),
        backend(kind),
        options(settings),
        peers(static_cast<std::size_t>(where.world)) {
    thread = std::thread([this] { work(); });
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return links != nullptr || failure; });
    if (!failure) return;
    lock.unlock();
    thread.join();
    throw Error(*failure);
  }
  ~Engine() override {
    if (thread.joinable()) finish(std::nullopt);
  }

  // Called by the owner.
  Ticket post(std::unique_ptr<Exchange> exchange);
  void wait(Ticket ticket);
  void finish(const std::optional<Error>& why);

  // The thread.
  void work() noexcept;
  void loop();
  bool take_orders();
  void start_posted();
  void complete(Ticket ticket, Operation& operation);
  void watch_peers();
  void say_last_words(const Error& error) noexcept;
  void take_leave();
  void send(int peer, MessageKind kind, Ticket ticket, Payload payload, bool urgent);
  detail::Send sender(Ticket ticket, bool urgent);
  void on_message(int peer, const MessageHeader& header, std::vector<char>&& payload) override;
  void on_gone(int peer, const std::string& why) override;

  struct Peer {
    Clock::time_point heard = Clock::now(), written = Clock::now();
    bool left = false;  // it said goodbye
    bool gone = false;
  };
  struct Early {
    int peer;
    MessageKind kind;
    std::vector<char> payload;
  };

  const Place place;
  const Backend backend;
  const CommunicatorOptions options;

  std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<detail::Links> links;  // made by the thread; afterwards only wake() from outside
  std::map<Ticket, Operation> operations;
  std::vector<Ticket> posted;
  Ticket next = 0;
  std::optional<Error> failure;     // why nothing works any more
  std::optional<Error> last_words;  // the owner's error
  bool finishing = false, waiting = false;
  CommunicatorStatistics statistics;
  std::atomic<std::int64_t> bytes_sent = 0;

  // The thread's own.
  std::vector<Peer> peers;
  std::map<Ticket, std::vector<Early>> early;  // of operations not posted here yet
  std::thread thread;
};

Communicator::Ticket Communicator::Engine::post(std::unique_ptr<Exchange> exchange) {
  const std::lock_guard lock(mutex);
  if (failure) throw Error(*failure);
  const Ticket ticket = next++;
  operations[ticket].exchange = std::move(exchange);
  posted.push_back(ticket);
  links->wake();
  return ticket;
}

void Communicator::Engine::wait(Ticket ticket) {
  std::unique_lock lock(mutex);
  waiting = true;
  const auto found = operations.find(ticket);
  if (found == operations.end()) fail(ErrorCode::Internal, "a sum is waited for twice");
  changed.wait(lock, [&] { return found->second.done || failure; });
  waiting = false;
  if (!found->second.done) throw Error(*failure);
  operations.erase(found);
}

void Communicator::Engine::finish(const std::optional<Error>& why) {
  {
    const std::lock_guard lock(mutex);
    finishing = true;
    last_words = why;
    if (links) links->wake();
  }
  thread.join();
}

void Communicator::Engine::send(int peer, MessageKind kind, Ticket ticket, Payload payload,
                                bool urgent) {
  if (peers[static_cast<std::size_t>(peer)].gone) return;
  MessageHeader header;
  header.kind = kind;
  header.sequence = ticket;
  header.size = payload ? payload->size() : 0;
  bytes_sent += static_cast<std::int64_t>(sizeof(header) + header.size);
  peers[static_cast<std::size_t>(peer)].written = Clock::now();
  links->send(peer, header, std::move(payload), urgent);
}

detail::Send Communicator::Engine::sender(Ticket ticket, bool urgent) {
  return [this, ticket, urgent](int peer, MessageKind kind, Payload payload) {
    send(peer, kind, ticket, std::move(payload), urgent);
  };
}

void Communicator::Engine::complete(Ticket /*ticket*/, Operation& operation) {
  if (!operation.exchange->done()) return;
  const std::lock_guard lock(mutex);
  operation.done = true;
  ++statistics.operations;
  changed.notify_all();
}

void Communicator::Engine::start_posted() {
  std::vector<std::pair<Ticket, Operation*>> fresh;
  {
    const std::lock_guard lock(mutex);
    // Nodes of a map stay in place; the owner erases only what is done.
    for (const Ticket ticket : posted) fresh.emplace_back(ticket, &operations.at(ticket));
    posted.clear();
  }
  for (const auto& [ticket, operation] : fresh) {
    Exchange& exchange = *operation->exchange;
    const detail::Send to = sender(ticket, exchange.urgent());
    exchange.start(to);
    const auto found = early.find(ticket);
    if (found != early.end()) {
      for (Early& message : found->second) {
        exchange.take(message.peer, message.kind, std::move(message.payload), to);
      }
      early.erase(found);
    }
    complete(ticket, *operation);
  }
}

void Communicator::Engine::on_message(int peer, const MessageHeader& header,
                                      std::vector<char>&& payload) {
  Peer& from = peers[static_cast<std::size_t>(peer)];
  from.heard = Clock::now();
  switch (header.kind) {
    case MessageKind::Heartbeat:
      return;
    case MessageKind::Goodbye:
      from.left = true;
      return;
    case MessageKind::Failure:
      throw error_of(payload);
    case MessageKind::Part:
    case MessageKind::Sum:
      break;
  }
  Operation* operation = nullptr;
  {
    const std::lock_guard lock(mutex);
    const bool started = std::find(posted.begin(), posted.end(), header.sequence) == posted.end();
    const auto found = operations.find(header.sequence);
    if (found != operations.end() && started) operation = &found->second;
  }
  if (operation == nullptr) {
    early[header.sequence].push_back({peer, header.kind, std::move(payload)});
    return;
  }
  Exchange& exchange = *operation->exchange;
  exchange.take(peer, header.kind, std::move(payload), sender(header.sequence, exchange.urgent()));
  complete(header.sequence, *operation);
}

void Communicator::Engine::on_gone(int peer, const std::string& why) {
  Peer& lost = peers[static_cast<std::size_t>(peer)];
  lost.gone = true;
  if (lost.left) return;
  fail(ErrorCode::Unavailable, links->name(peer), " is gone (", why,
       "): it crashed, was killed or lost its machine");
}

void Communicator::Engine::watch_peers() {
  const Clock::time_point now = Clock::now();
  for (int rank = 0; rank < place.world; ++rank) {
    Peer& peer = peers[static_cast<std::size_t>(rank)];
    if (rank == place.rank || peer.left || peer.gone) continue;
    if (now - peer.written >= kHeartbeat)
      send(rank, MessageKind::Heartbeat, 0, nullptr, /*urgent=*/true);
    if (now - peer.heard > options.silence_timeout) {
      fail(ErrorCode::Unavailable, links->name(rank), " has not been heard of for ",
           std::chrono::duration<double>(now - peer.heard).count(),
           " s: it hangs, or its machine or network is gone");
    }
  }
}

// Returns false when the owner has no more work.
bool Communicator::Engine::take_orders() {
  std::optional<Error> words;
  bool end = false;
  {
    const std::lock_guard lock(mutex);
    words = last_words;
    end = finishing;
  }
  if (words) throw Error(*words);
  if (end) return false;
  start_posted();
  return true;
}

void Communicator::Engine::loop() {
  // Also the longest time between two looks at the peers.
  const auto pause = std::min(kHeartbeat, options.silence_timeout) / 4;
  while (take_orders()) {
    bool hurry = false;
    {
      const std::lock_guard lock(mutex);
      hurry = waiting;
    }
    links->run(pause, hurry, *this);
    // What came while this process itself was stopped is read before silence is judged.
    watch_peers();
  }
}

void Communicator::Engine::take_leave() {
  for (int rank = 0; rank < place.world; ++rank) {
    if (rank != place.rank) send(rank, MessageKind::Goodbye, 0, nullptr, /*urgent=*/false);
  }
  const auto waits = [this](int rank) {
    const Peer& peer = peers[static_cast<std::size_t>(rank)];
    return rank != place.rank && !peer.left && !peer.gone;
  };
  while (true) {
    bool any = !links->all_sent();
    for (int rank = 0; rank < place.world; ++rank) any = any || waits(rank);
    if (!any) break;
    links->run(kHeartbeat / 4, /*hurry=*/false, *this);
    watch_peers();
  }
  links->close();
}

void Communicator::Engine::say_last_words(const Error& error) noexcept {
  try {
    for (int rank = 0; rank < place.world; ++rank) {
      if (rank == place.rank) continue;
      send(rank, MessageKind::Failure, 0, payload_of(error), /*urgent=*/true);
    }
    const Clock::time_point start = Clock::now();
    struct Deaf final : detail::Receiver {
      void on_message(int, const MessageHeader&, std::vector<char>&&) override {}
      void on_gone(int, const std::string&) override {}
    } deaf;
    // What still comes is read, because closing a socket with unread bytes may cut off the words.
    while (Clock::now() < start + (links->all_sent() ? kLastWords / 10 : kLastWords)) {
      links->run(std::chrono::milliseconds(20), /*hurry=*/true, deaf);
    }
  } catch (...) {
    // The others will see that the connection is cut.
  }
}

void Communicator::Engine::work() noexcept {
  std::optional<Error> error;
  try {
    std::unique_ptr<detail::Links> made =
        backend == Backend::Mpi
            ? detail::open_mpi_links(place)
            : detail::open_tcp_links(place, Clock::now() + options.start_timeout);
    for (Peer& peer : peers) peer.heard = peer.written = Clock::now();
    {
      const std::lock_guard lock(mutex);
      links = std::move(made);
      changed.notify_all();
    }
    loop();
    take_leave();
  } catch (const Error& failed) {
    error = failed;
  } catch (const std::exception& failed) {
    error = Error(ErrorCode::Internal, std::string("between the workers: ") + failed.what());
  }
  if (error && links) say_last_words(*error);
  const std::lock_guard lock(mutex);
  failure = error;
  if (!failure && !finishing) failure = Error(ErrorCode::Internal, "the workers have parted");
  changed.notify_all();
}

Communicator::Communicator(const Place& place, const CommunicatorOptions& options)
    : rank_(place.rank),
      world_(place.world),
      backend_(resolve(options.backend, place)),
      engine_(std::make_unique<Engine>(place, backend_, options)) {}

Communicator::~Communicator() {
  if (!engine_->thread.joinable()) return;
  if (std::uncaught_exceptions() > 0) {
    engine_->finish(Error(ErrorCode::Unavailable,
                          "rank " + std::to_string(rank_) + " ended before its work was done"));
    return;
  }
  engine_->finish(std::nullopt);
}

Communicator::Ticket Communicator::start_sum(std::span<float> values) {
  return engine_->post(std::make_unique<detail::SumExchange<float>>(rank_, world_, values));
}

Communicator::Ticket Communicator::start_sum(std::span<double> values) {
  return engine_->post(std::make_unique<detail::SumExchange<double>>(rank_, world_, values));
}

void Communicator::wait(Ticket ticket) {
  const Clock::time_point start = Clock::now();
  engine_->wait(ticket);
  wait_seconds_ += seconds_since(start);
}

void Communicator::broadcast(std::string& bytes, int root) {
  wait(engine_->post(std::make_unique<detail::BroadcastExchange>(rank_, world_, bytes, root)));
}

std::vector<std::vector<double>> Communicator::gather(std::span<const double> values) {
  std::vector<std::vector<double>> gathered;
  wait(engine_->post(std::make_unique<detail::GatherExchange>(rank_, world_, values, gathered)));
  return gathered;
}

void Communicator::barrier() {
  double nothing = 0;
  sum({&nothing, 1});
}

void Communicator::abort(const Error& error) noexcept {
  if (!engine_->thread.joinable()) return;
  engine_->finish(Error(error.code(), "rank " + std::to_string(rank_) + ": " + error.what()));
}

CommunicatorStatistics Communicator::statistics() const {
  const std::lock_guard lock(engine_->mutex);
  CommunicatorStatistics statistics = engine_->statistics;
  statistics.bytes_sent = engine_->bytes_sent;
  statistics.wait_seconds = wait_seconds_;
  clockid_t clock{};
  timespec time{};
  if (engine_->thread.joinable() &&
      ::pthread_getcpuclockid(engine_->thread.native_handle(), &clock) == 0 &&
      ::clock_gettime(clock, &time) == 0) {
    statistics.cpu_seconds =
        static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
  return statistics;
}

}  // namespace jetcal::workers
