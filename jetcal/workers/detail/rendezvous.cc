// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/detail/rendezvous.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/version.h"

namespace jetcal::workers::detail {
namespace {

constexpr std::string_view kMagic = "jetcal workers 1";
constexpr std::size_t kTextSize = 64;
using Text = std::array<char, kTextSize>;

Text text_of(std::string_view text) {
  Text padded{};
  std::copy_n(text.begin(), std::min(text.size(), kTextSize - 1), padded.begin());
  return padded;
}

std::string_view view_of(const Text& text) {
  return {text.data(), ::strnlen(text.data(), text.size())};
}

// What a worker says when it connects. Between two others than rank 0, `port` is not used.
struct Hello {
  std::array<char, 16> magic{};
  Text version{};
  Text address{};
  std::int32_t rank = 0, world = 0, port = 0;
};

struct Entry {
  Text address{};
  std::int32_t port = 0;
};

// Rank 0 answers with this and, where the text is empty, the list of all workers.
struct Answer {
  std::array<char, 256> refusal{};
};

Hello hello_of(const Place& place, const std::string& address, int port) {
  Hello hello;
  std::copy(kMagic.begin(), kMagic.end(), hello.magic.begin());
  hello.version = text_of(version());
  hello.address = text_of(address);
  hello.rank = place.rank;
  hello.world = place.world;
  hello.port = port;
  return hello;
}

bool speaks_protocol(const Hello& hello) {
  return std::string_view(hello.magic.data(), hello.magic.size()) == kMagic;
}

// Returns why a worker cannot join, or nothing.
std::string refusal(const Hello& hello, const Place& place, bool taken) {
  std::ostringstream text;
  if (view_of(hello.version) != version()) {
    text << "it is jetcal " << view_of(hello.version) << ", rank " << place.rank << " is jetcal "
         << version();
  } else if (hello.world != place.world) {
    text << "it was told of " << hello.world << " workers, rank " << place.rank << " of "
         << place.world;
  } else if (hello.rank <= 0 || hello.rank >= place.world || taken) {
    text << "two workers call themselves rank " << hello.rank;
  }
  return text.str();
}

std::string missing_ranks(const std::vector<Descriptor>& sockets, int own) {
  std::string list;
  int missing = 0;
  for (int rank = 0; rank < static_cast<int>(sockets.size()); ++rank) {
    if (rank == own || sockets[rank].valid()) continue;
    if (++missing <= 8) list += (list.empty() ? "" : ", ") + std::to_string(rank);
  }
  return (missing == 1 ? "rank " : "ranks ") + list + (missing > 8 ? ", ..." : "");
}

// Waits for one that speaks the protocol; probes of a cluster connect and say nothing.
Descriptor accept_worker(const Descriptor& listener, Clock::time_point deadline, Hello& hello) {
  while (true) {
    Descriptor socket = accept_from(listener, deadline);
    if (!socket.valid()) return socket;
    const auto soon = std::min(deadline, Clock::now() + std::chrono::seconds(2));
    if (read_all(socket, &hello, sizeof(hello), soon) && speaks_protocol(hello)) return socket;
  }
}

std::vector<Descriptor> meet_as_first(const Place& place, Clock::time_point deadline) {
  const Descriptor listener =
      listen_on(is_loopback(place.address) ? place.address : std::string(), place.port);
  std::vector<Descriptor> sockets(static_cast<std::size_t>(place.world));
  std::vector<Entry> entries(sockets.size());
  for (int joined = 1; joined < place.world;) {
    Hello hello;
    Descriptor socket = accept_worker(listener, deadline, hello);
    if (!socket.valid()) {
      fail(ErrorCode::Unavailable, missing_ranks(sockets, 0), " of ", place.world,
           " did not connect to port ", place.port, " in time");
    }
    const bool known = hello.rank > 0 && hello.rank < place.world;
    const std::string why = refusal(hello, place, known && sockets[hello.rank].valid());
    if (!why.empty()) {
      Answer answer;
      std::copy_n(why.begin(), std::min(why.size(), answer.refusal.size() - 1),
                  answer.refusal.begin());
      write_all(socket, &answer, sizeof(answer), deadline);
      fail(ErrorCode::InvalidArgument, "a worker at ", peer_address(socket), " cannot join: ", why);
    }
    entries[hello.rank] = {hello.address, hello.port};
    sockets[hello.rank] = std::move(socket);
    ++joined;
  }
  for (int rank = 1; rank < place.world; ++rank) {
    const Answer answer;
    if (!write_all(sockets[rank], &answer, sizeof(answer), deadline) ||
        !write_all(sockets[rank], entries.data(), entries.size() * sizeof(Entry), deadline)) {
      fail(ErrorCode::Unavailable, "rank ", rank, " ended while the workers met");
    }
  }
  return sockets;
}

// Connects to the workers below this one, and waits for those above.
void meet_others(const Place& place, const Descriptor& listener, const std::vector<Entry>& entries,
                 Clock::time_point deadline, std::vector<Descriptor>& sockets) {
  const Hello own = hello_of(place, "", 0);
  for (int rank = 1; rank < place.rank; ++rank) {
    std::string address(view_of(entries[rank].address));
    // It reached rank 0 within one machine, this worker perhaps from another one.
    if (is_loopback(address) && !is_loopback(peer_address(sockets[0])))
      address = peer_address(sockets[0]);
    sockets[rank] = connect_to(address, entries[rank].port, deadline);
    if (!write_all(sockets[rank], &own, sizeof(own), deadline))
      fail(ErrorCode::Unavailable, "rank ", rank, " ended while the workers met");
  }
  for (int left = place.world - 1 - place.rank; left > 0; --left) {
    Hello hello;
    Descriptor socket = accept_worker(listener, deadline, hello);
    if (!socket.valid()) {
      fail(ErrorCode::Unavailable, missing_ranks(sockets, place.rank), " of ", place.world,
           " did not connect to rank ", place.rank, " in time");
    }
    if (hello.rank <= place.rank || hello.rank >= place.world || sockets[hello.rank].valid())
      fail(ErrorCode::InvalidArgument, "two workers call themselves rank ", hello.rank);
    sockets[hello.rank] = std::move(socket);
  }
}

std::vector<Descriptor> meet_as_other(const Place& place, Clock::time_point deadline) {
  std::vector<Descriptor> sockets(static_cast<std::size_t>(place.world));
  sockets[0] = connect_to(place.address, place.port, deadline);
  const std::string own = own_address(sockets[0]);
  const Descriptor listener = listen_on(own.find('%') == std::string::npos ? own : "", 0);
  const Hello hello = hello_of(place, own, port_of(listener));
  Answer answer;
  if (!write_all(sockets[0], &hello, sizeof(hello), deadline) ||
      !read_all(sockets[0], &answer, sizeof(answer), deadline)) {
    fail(ErrorCode::Unavailable, "rank 0 at ", place.address, ":", place.port,
         Clock::now() >= deadline ? " waits for other workers" : " ended while the workers met");
  }
  if (answer.refusal.front() != 0) {
    answer.refusal.back() = 0;
    fail(ErrorCode::InvalidArgument, "rank ", place.rank,
         " cannot join: ", static_cast<const char*>(answer.refusal.data()));
  }
  std::vector<Entry> entries(sockets.size());
  if (!read_all(sockets[0], entries.data(), entries.size() * sizeof(Entry), deadline))
    fail(ErrorCode::Unavailable, "rank 0 at ", place.address, " ended while the workers met");
  meet_others(place, listener, entries, deadline, sockets);
  return sockets;
}

}  // namespace

std::vector<Descriptor> meet(const Place& place, Clock::time_point deadline) {
  std::vector<Descriptor> sockets =
      place.rank == 0 ? meet_as_first(place, deadline) : meet_as_other(place, deadline);
  for (const Descriptor& socket : sockets) {
    if (socket.valid()) set_for_messages(socket);
  }
  return sockets;
}

}  // namespace jetcal::workers::detail
