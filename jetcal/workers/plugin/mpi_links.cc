// SPDX-License-Identifier: Apache-2.0
// The plug-in jetcal-mpi.so: messages between workers over MPI.
#include <mpi.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/workers/detail/mpi_plugin.h"

namespace jetcal::workers::detail {
namespace {

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, static_cast<char*>(text), &length);
  fail(ErrorCode::Unavailable, "MPI: ", what, ": ", static_cast<const char*>(text));
}

// A message of header and payload on its way.
struct Outgoing {
  std::vector<char> bytes;
  MPI_Request request = MPI_REQUEST_NULL;
};

// All calls but wake() come from the thread that made it, so MPI_THREAD_FUNNELED is enough. A
// worker that dies ends the whole job: mpirun sees to that.
class MpiLinks final : public Links {
 public:
  explicit MpiLinks(const Place& place) {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "start");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int rank = 0;
    int world = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world);
    if (rank != place.rank || world != place.world) {
      fail(ErrorCode::InvalidArgument, "MPI says rank ", rank, " of ", world, ", the environment (",
           place.source, ") rank ", place.rank, " of ", place.world);
    }
  }

  void send(int peer, const MessageHeader& header, Payload payload, bool /*urgent*/) override {
    Outgoing& message = sending_.emplace_back();
    message.bytes.resize(sizeof(header) + static_cast<std::size_t>(header.size));
    std::memcpy(message.bytes.data(), &header, sizeof(header));
    if (payload && !payload->empty())
      std::memcpy(message.bytes.data() + sizeof(header), payload->data(), payload->size());
    check(MPI_Isend(message.bytes.data(), static_cast<int>(message.bytes.size()), MPI_BYTE, peer, 0,
                    MPI_COMM_WORLD, &message.request),
          "send");
  }

  void run(std::chrono::milliseconds at_most, bool hurry, Receiver& receiver) override {
    const auto end = std::chrono::steady_clock::now() + at_most;
    // MPI cannot sleep until something comes: it is asked again and again, more seldom where the
    // caller computes, so that it has the core for itself.
    auto pause = std::chrono::microseconds(hurry ? 5 : 50);
    const auto longest = std::chrono::microseconds(hurry ? 50 : 500);
    while (true) {
      bool any = receive_all(receiver);
      any = finish_sends() || any;
      if (any || woken_.exchange(false) || std::chrono::steady_clock::now() >= end) return;
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, longest);
    }
  }

  void wake() noexcept override { woken_ = true; }
  bool all_sent() const override { return sending_.empty(); }
  std::string name(int peer) const override { return "rank " + std::to_string(peer); }

  void close() override { check(MPI_Finalize(), "end"); }

 private:
  bool receive_all(Receiver& receiver) {
    bool any = false;
    while (true) {
      int there = 0;
      MPI_Message message = MPI_MESSAGE_NULL;
      MPI_Status status;
      check(MPI_Improbe(MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &there, &message, &status), "receive");
      if (there == 0) return any;
      any = true;
      int size = 0;
      MPI_Get_count(&status, MPI_BYTE, &size);
      std::vector<char> bytes(static_cast<std::size_t>(size));
      const int peer = status.MPI_SOURCE;
      check(MPI_Mrecv(bytes.data(), size, MPI_BYTE, &message, &status), "receive");
      MessageHeader header;
      if (bytes.size() < sizeof(header))
        fail(ErrorCode::Internal, "rank ", peer, " sent something that is no message");
      std::memcpy(&header, bytes.data(), sizeof(header));
      bytes.erase(bytes.begin(), bytes.begin() + sizeof(header));
      receiver.on_message(peer, header, std::move(bytes));
    }
  }

  bool finish_sends() {
    bool any = false;
    for (auto message = sending_.begin(); message != sending_.end();) {
      int done = 0;
      check(MPI_Test(&message->request, &done, MPI_STATUS_IGNORE), "send");
      if (done == 0) {
        ++message;
        continue;
      }
      any = true;
      message = sending_.erase(message);
    }
    return any;
  }

  std::list<Outgoing> sending_;
  std::atomic<bool> woken_ = false;
};

}  // namespace
}  // namespace jetcal::workers::detail

extern "C" __attribute__((visibility("default"))) jetcal::workers::detail::Links*
jetcal_open_mpi_links(const jetcal::workers::Place& place) {
  return new jetcal::workers::detail::MpiLinks(place);
}
