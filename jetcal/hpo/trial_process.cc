// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/trial_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/process_arguments.h"

extern char** environ;

namespace jetcal::hpo {
namespace {

// Told to the keeper by this process, or by the kernel when this process is gone.
constexpr int kEndSignal = SIGUSR2;

struct ProcessState {
  pid_t parent = 0;
  std::int64_t pages = 0;
};

// Reads /proc/PID/stat; the name of the program may hold anything.
std::optional<ProcessState> read_state(pid_t process) {
  char path[64];
  std::snprintf(path, sizeof(path), "/proc/%d/stat", static_cast<int>(process));
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  char text[1024];
  const ssize_t size = ::read(file, text, sizeof(text) - 1);
  ::close(file);
  if (size <= 0) return std::nullopt;
  text[size] = '\0';
  const char* const after_name = std::strrchr(text, ')');
  if (after_name == nullptr) return std::nullopt;
  long parent = 0, pages = 0;
  // Fields 4 and 24 of proc(5).
  const int found = std::sscanf(after_name + 1,
                                " %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d"
                                " %*d %*d %*d %*u %*u %ld",
                                &parent, &pages);
  if (found < 1) return std::nullopt;
  return ProcessState{static_cast<pid_t>(parent), found > 1 ? pages : 0};
}

template <typename Visit>
void for_each_process(const Visit& visit) {
  DIR* const folder = ::opendir("/proc");
  if (folder == nullptr) return;
  while (const dirent* const entry = ::readdir(folder)) {
    const pid_t process = std::atoi(entry->d_name);
    if (process > 0) visit(process);
  }
  ::closedir(folder);
}

void kill_children() {
  const pid_t self = ::getpid();
  for_each_process([self](pid_t process) {
    const std::optional<ProcessState> state = read_state(process);
    if (state && state->parent == self) ::kill(process, SIGKILL);
  });
}

// Kills and collects until nothing is left: what a killed process leaves becomes ours and is next.
void end_all(pid_t program, int& status) {
  for (;;) {
    kill_children();
    int one = 0;
    const pid_t ended = ::waitpid(-1, &one, 0);
    if (ended < 0 && errno == ECHILD) return;
    if (ended == program) status = one;
  }
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

sigset_t keeper_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, kEndSignal})
    sigaddset(&signals, number);
  return signals;
}

// Appears completely or not at all: a kill may come at any moment.
void write_status(const ProcessSpec& spec, int status) {
  if (spec.status_file.empty() || status != 0) return;
  const std::string part = spec.status_file.string() + ".part";
  const int file = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  const bool written = file >= 0 && ::dprintf(file, "%s\n", spec.status_key.c_str()) > 0;
  if (file >= 0) ::close(file);
  if (written) ::rename(part.c_str(), spec.status_file.c_str());
}

// Waits for the program, or for the word to end it.
int keep(const ProcessSpec& spec, pid_t program) {
  const sigset_t signals = keeper_signals();
  int status = 0;
  for (;;) {
    siginfo_t info{};
    const int number = ::sigwaitinfo(&signals, &info);
    if (number == kEndSignal) {
      // It may have ended by itself just before.
      if (::waitpid(program, &status, WNOHANG) == program) write_status(spec, status);
      end_all(program, status);
      return exit_code(status);
    }
    if (number != SIGCHLD) continue;  // SIGTERM is for the program, which has got it too
    for (int one = 0;;) {
      const pid_t ended = ::waitpid(-1, &one, WNOHANG);
      if (ended <= 0) break;
      if (ended != program) continue;
      write_status(spec, one);
      int ignored = 0;
      end_all(-1, ignored);
      return exit_code(one);
    }
  }
}

int open_log(const std::filesystem::path& path) {
  return ::open(path.empty() ? "/dev/null" : path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
}

[[noreturn]] void run_program(const ProcessSpec& spec, std::vector<char*>& argv,
                              std::vector<char*>& envp, pid_t keeper) {
  // What no keeper can do: be killed itself.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != keeper) ::_exit(1);
  const int input = ::open("/dev/null", O_RDONLY);
  const int output = open_log(spec.output), errors = open_log(spec.errors);
  ::dup2(input, 0);
  ::dup2(output, 1);
  ::dup2(errors, 2);
  for (const int file : {input, output, errors}) {
    if (file > 2) ::close(file);
  }
  if (!spec.cores.empty()) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int core : spec.cores) CPU_SET(static_cast<std::size_t>(core), &set);
    ::sched_setaffinity(0, sizeof(set), &set);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execvpe(argv[0], argv.data(), envp.data());
  ::dprintf(2, "cannot run %s: %s\n", argv[0], std::strerror(errno));
  ::_exit(127);
}

// Keeps the lock open for the program too, which so holds it as long as it lives.
void hold_lock(const ProcessSpec& spec) {
  if (spec.lock_file.empty()) return;
  const int file = ::open(spec.lock_file.c_str(), O_RDWR);
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = spec.lock_byte;
  range.l_len = 1;
  while (file >= 0 && ::fcntl(file, F_OFD_SETLKW, &range) != 0 && errno == EINTR) {
  }
}

[[noreturn]] void run_keeper(const ProcessSpec& spec, std::vector<char*>& argv,
                             std::vector<char*>& envp, pid_t tuner) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, kEndSignal);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
    for (int file = 3; file < 4096; ++file) ::close(file);
  }
  hold_lock(spec);
  if (::getppid() != tuner) ::_exit(1);
  const pid_t self = ::getpid();
  const pid_t program = ::fork();
  if (program < 0) ::_exit(126);
  if (program == 0) run_program(spec, argv, envp, self);
  ::_exit(keep(spec, program));
}

std::vector<std::string> environment_of(const ProcessSpec& spec) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    const std::string name(variable.substr(0, variable.find('=')));
    if (!spec.environment.contains(name)) variables.emplace_back(variable);
  }
  for (const auto& [name, value] : spec.environment) variables.push_back(name + "=" + value);
  return variables;
}

}  // namespace

TrialProcess TrialProcess::start(const ProcessSpec& spec) {
  std::vector<std::string> arguments = spec.arguments;
  std::vector<std::string> variables = environment_of(spec);
  std::vector<char*> argv = pointers_to(arguments), envp = pointers_to(variables);
  const sigset_t signals = keeper_signals();
  sigset_t before;
  // Blocked before the fork: the keeper must not miss that this process dies.
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t tuner = ::getpid();
  const pid_t keeper = ::fork();
  if (keeper == 0) run_keeper(spec, argv, envp, tuner);
  if (keeper > 0) ::setpgid(keeper, keeper);  // here too: ask_to_end() may come before it runs
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (keeper < 0) {
    fail(ErrorCode::ResourceExhausted,
         "cannot start a process for a trial: ", std::strerror(errno));
  }
  return TrialProcess(keeper);
}

TrialProcess::TrialProcess(TrialProcess&& other) noexcept
    : keeper_(std::exchange(other.keeper_, 0)) {}

TrialProcess& TrialProcess::operator=(TrialProcess&& other) noexcept {
  std::swap(keeper_, other.keeper_);
  return *this;
}

TrialProcess::~TrialProcess() {
  if (keeper_ <= 0) return;
  kill();
  ::waitpid(keeper_, nullptr, 0);
}

std::optional<int> TrialProcess::poll() {
  if (keeper_ <= 0) return std::nullopt;
  int status = 0;
  const pid_t ended = ::waitpid(keeper_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  keeper_ = 0;
  return ended < 0 ? 1 : exit_code(status);
}

void TrialProcess::ask_to_end() const {
  if (keeper_ > 0) ::kill(-keeper_, SIGTERM);
}

void TrialProcess::kill() const {
  if (keeper_ > 0) ::kill(keeper_, kEndSignal);
}

std::vector<std::int64_t> memory_of_trees(const std::vector<pid_t>& roots) {
  std::map<pid_t, ProcessState> processes;
  for_each_process([&processes](pid_t process) {
    if (const std::optional<ProcessState> state = read_state(process)) processes[process] = *state;
  });
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  std::vector<std::int64_t> sums(roots.size(), 0);
  for (const auto& [process, state] : processes) {
    pid_t above = process;
    // The tree of processes is not deep; a loop in a torn picture of it must end.
    for (int depth = 0; depth < 64 && above > 1; ++depth) {
      bool found = false;
      for (std::size_t i = 0; i < roots.size(); ++i) {
        if (above != roots[i]) continue;
        if (process != roots[i]) sums[i] += state.pages * page;
        found = true;
      }
      const auto parent = processes.find(above);
      if (found || parent == processes.end()) break;
      above = parent->second.parent;
    }
  }
  return sums;
}

}  // namespace jetcal::hpo
