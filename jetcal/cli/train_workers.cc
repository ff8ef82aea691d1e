// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/train_workers.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/cli/verb.h"
#include "jetcal/workers/launcher.h"

namespace jetcal::cli {
namespace {

std::vector<std::string> command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  return words;
}

int online_cores() { return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))); }

// Tells whether mpirun or srun gave this process cores of its own.
bool is_bound() {
  cpu_set_t cores;
  return ::sched_getaffinity(0, sizeof(cores), &cores) == 0 && CPU_COUNT(&cores) < online_cores();
}

// Tells whether the text starts with "rank N: ", as errors do that another worker had.
bool came_from_another(std::string_view text) {
  constexpr std::string_view kWord = "rank ";
  if (!text.starts_with(kWord)) return false;
  std::size_t at = kWord.size();
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0) ++at;
  return at > kWord.size() && text.substr(at).starts_with(": ");
}

}  // namespace

workers::Place place_of_this_process(const train::DistributedOptions& options) {
  const auto asked = static_cast<int>(options.workers);
  workers::Place place = workers::find_place(workers::process_environment());
  if (place.world == 1 && asked > 1) return workers::place_on_this_machine(asked);
  if (asked > 1 && place.world != asked) {
    fail(ErrorCode::InvalidArgument, "distributed.workers is ", asked, ", but the environment (",
         place.source, ") speaks of ", place.world,
         " workers; leave the field out where something else starts them");
  }
  return place;
}

void share_threads(const workers::Place& place) {
  if (place.local_world == 1) return;
  const int share = is_bound() ? std::min(usable_cores(), online_cores() / place.local_world)
                               : usable_cores() / place.local_world;
  set_num_threads(std::max(1, share));
}

int run_as_worker(const workers::Place& place, const train::DistributedOptions& options,
                  const std::function<int(workers::Communicator*)>& work) {
  if (place.workers_to_start > 1) return workers::run_workers(place, command_line());
  if (place.world == 1) return work(nullptr);
  workers::Communicator communicator(place, options.communicator());
  try {
    return work(&communicator);
  } catch (const Error& error) {
    communicator.abort(error);
    if (place.rank == 0) throw;
    // The first worker says what stopped all, and the one that failed what happened to it.
    if (error.code() == ErrorCode::Cancelled || came_from_another(error.what()))
      return exit_status(error.code());
    fail(error.code(), "rank ", place.rank, " of ", place.world, ": ", error.what());
  }
}

nlohmann::ordered_json report(const workers::Communicator& workers) {
  const workers::CommunicatorStatistics statistics = workers.statistics();
  return {{"count", workers.world()},
          {"backend", workers::backend_name(workers.backend())},
          {"operations", statistics.operations},
          {"bytes_sent", statistics.bytes_sent},
          {"wait_seconds", statistics.wait_seconds},
          {"cpu_seconds", statistics.cpu_seconds}};
}

}  // namespace jetcal::cli
