// SPDX-License-Identifier: Apache-2.0
// Sums, broadcasts and failures shared by the workers of a job.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/workers/place.h"

namespace jetcal::workers {

/// Names what carries the messages.
enum class Backend {
  Auto,  ///< MPI below mpirun where this build has it, else TCP.
  Tcp,
  Mpi,
};
std::string_view backend_name(Backend backend) noexcept;
/// Throws InvalidArgument for another name.
Backend parse_backend(std::string_view name);

struct CommunicatorOptions {
  Backend backend = Backend::Auto;
  /// How long workers wait for each other at the start.
  std::chrono::seconds start_timeout{300};
  /// A worker of which nothing was heard for so long is taken for dead.
  std::chrono::milliseconds silence_timeout{10000};
};

/// Counts what a communicator has done.
struct CommunicatorStatistics {
  std::int64_t operations = 0, bytes_sent = 0;
  double wait_seconds = 0;  ///< Spent in wait() and the calls that wait.
  double cpu_seconds = 0;   ///< Of the thread that sends, receives and adds up.
};

/// Connects the workers. A thread of its own sends, receives and adds up, so that sums go on while
/// the caller computes.
///
/// Every worker makes the same calls in the same order. Sums run in double over the ranks in their
/// order: all workers get the same bits, a job of as many workers gets them again, with TCP as with
/// MPI. Use from one thread.
///
/// When a worker dies or aborts, every call of the others throws at once: Unavailable naming the
/// worker that is gone, or the error that it gave.
class Communicator {
 public:
  using Ticket = std::uint64_t;

  /// Meets the other workers. Throws Unavailable when they do not come, InvalidArgument when they
  /// do not fit, Unimplemented when this build has no MPI.
  Communicator(const Place& place, const CommunicatorOptions& options);
  /// Takes leave of the others; waits until they do so too. In an exception it cuts the connection.
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const noexcept { return rank_; }
  int world() const noexcept { return world_; }
  Backend backend() const noexcept { return backend_; }

  /// Starts to replace the values by their sums over all workers; they must stay in place until
  /// wait() returned. Sums of doubles overtake those of floats.
  Ticket start_sum(std::span<float> values);
  Ticket start_sum(std::span<double> values);
  void wait(Ticket ticket);

  void sum(std::span<double> values) { wait(start_sum(values)); }
  /// Gives everybody the bytes of `root`.
  void broadcast(std::string& bytes, int root = 0);
  /// Returns the values of every worker, by rank; their numbers may differ.
  std::vector<std::vector<double>> gather(std::span<const double> values);
  void barrier();

  /// Tells the others that this worker ends with an error; they throw it, with its rank in front.
  /// Nothing can be called afterwards.
  void abort(const Error& error) noexcept;

  CommunicatorStatistics statistics() const;

 private:
  struct Operation;
  struct Engine;
  Ticket post(std::unique_ptr<Operation> operation);

  int rank_, world_;
  Backend backend_;
  double wait_seconds_ = 0;
  std::unique_ptr<Engine> engine_;
};

}  // namespace jetcal::workers
