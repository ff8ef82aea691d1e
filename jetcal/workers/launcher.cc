// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/launcher.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/process_arguments.h"
#include "jetcal/base/stop.h"
#include "jetcal/workers/detail/socket.h"

extern char** environ;

namespace jetcal::workers {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kGrace{10};

// The environment of one worker: this process's own, with its place.
std::vector<std::string> environment_of(const Place& place, int index) {
  const std::vector<std::pair<std::string, std::string>> own{
      {"RANK", std::to_string(place.rank + index)},
      {"WORLD_SIZE", std::to_string(place.world)},
      {"LOCAL_RANK", std::to_string(index)},
      {"LOCAL_WORLD_SIZE", std::to_string(place.workers_to_start)},
      {"MASTER_ADDR", place.address},
      {"MASTER_PORT", std::to_string(place.port)}};
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    const std::string name = variable.substr(0, variable.find('='));
    const bool replaced =
        std::any_of(own.begin(), own.end(), [&name](const auto& one) { return one.first == name; });
    if (!replaced) variables.push_back(variable);
  }
  for (const auto& [name, value] : own) variables.push_back(name + "=" + value);
  return variables;
}

pid_t start(const Place& place, int index, std::vector<std::string> arguments) {
  std::vector<std::string> variables = environment_of(place, index);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(variables);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) {
    fail(ErrorCode::ResourceExhausted, "cannot start worker ", place.rank + index, ": ",
         std::strerror(errno));
  }
  if (child > 0) return child;
  // A group of its own: Ctrl-C reaches this process alone, which passes it on once.
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  ::_exit(127);
}

struct Worker {
  int rank = 0;
  pid_t process = 0;
  bool running = true;
};

class Workers {
 public:
  explicit Workers(const Place& place) : place_(place) {}
  ~Workers() { signal_all(SIGKILL); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void start_all(const std::vector<std::string>& arguments) {
    for (int i = 0; i < place_.workers_to_start; ++i)
      workers_.push_back({place_.rank + i, start(place_, i, arguments), true});
  }

  bool any_running() const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [](const Worker& worker) { return worker.running; });
  }

  // Takes those that have ended; keeps the status of the first that failed.
  void collect() {
    for (Worker& worker : workers_) {
      int status = 0;
      if (!worker.running || ::waitpid(worker.process, &status, WNOHANG) != worker.process)
        continue;
      worker.running = false;
      const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      if (WIFSIGNALED(status) && !ending_) {
        std::fprintf(stderr, "worker %d (process %d) was killed by signal %d (%s)\n", worker.rank,
                     static_cast<int>(worker.process), WTERMSIG(status),
                     ::strsignal(WTERMSIG(status)));
      }
      if (code == 0 || failed_ != 0) continue;
      failed_ = code;
      first_failure_ = Clock::now();
    }
  }

  void signal_all(int number) const {
    for (const Worker& worker : workers_) {
      if (worker.running) ::kill(worker.process, number);
    }
  }

  // Those that do not end by themselves after another one failed are made to.
  void end_stragglers() {
    if (failed_ == 0) return;
    const auto waited = Clock::now() - first_failure_;
    if (waited > kGrace && !ending_) {
      ending_ = true;
      signal_all(SIGTERM);
    }
    if (waited > 2 * kGrace) signal_all(SIGKILL);
  }

  int status() const { return failed_; }

 private:
  const Place& place_;
  std::vector<Worker> workers_;
  int failed_ = 0;
  Clock::time_point first_failure_;
  bool ending_ = false;
};

}  // namespace

Place place_on_this_machine(int count) {
  Place place;
  place.world = count;
  place.local_world = count;
  place.workers_to_start = count;
  place.address = "127.0.0.1";
  // Free now; the worker that opens it says so if another program was faster.
  place.port = detail::port_of(detail::listen_on(place.address, 0));
  place.source = "workers";
  return place;
}

int run_workers(const Place& place, const std::vector<std::string>& arguments) {
  Workers workers(place);
  workers.start_all(arguments);
  bool passed_on = false;
  while (workers.any_running()) {
    if (stop_requested() && !passed_on) {
      passed_on = true;
      workers.signal_all(SIGTERM);
    }
    workers.collect();
    workers.end_stragglers();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return workers.status();
}

}  // namespace jetcal::workers
