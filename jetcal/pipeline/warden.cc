// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/warden.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>

#include "jetcal/base/process_arguments.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Children of a process, from /proc: pid and parent stand in the second and fourth field of stat.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream in(entry.path() / "stat");
    std::string line;
    std::getline(in, line);
    const std::size_t end = line.rfind(')');  // the name may hold anything
    if (end == std::string::npos) continue;
    std::istringstream rest(line.substr(end + 1));
    std::string state;
    pid_t of = 0;
    rest >> state >> of;
    if (of == parent && state != "Z") children.push_back(static_cast<pid_t>(std::stol(name)));
  }
  return children;
}

void signal_tree(pid_t root, int number) {
  for (const pid_t child : children_of(root)) {
    signal_tree(child, number);
    ::kill(child, number);
  }
}

// The process that watches one attempt. Its methods run after fork().
class WardenProcess {
 public:
  WardenProcess(const Attempt& attempt, int pipe) : attempt_(attempt), pipe_(pipe) {}

  // Requires the signals of start_attempt() blocked: they are waited for, never handled.
  void run() {
    start_ = Clock::now();
    Json result;
    try {
      result = watch();
    } catch (const Error& error) {
      result = {{"state", "failed"}, {"message", error.what()}};
    } catch (const std::exception& error) {
      result = {{"state", "failed"}, {"message", std::string("internal error: ") + error.what()}};
    }
    end_all(attempt_.grace);
    result["seconds"] = seconds_since(start_);
    const std::string text = result.dump(-1, ' ', false, Json::error_handler_t::replace);
    std::size_t done = 0;
    while (done < text.size()) {
      const ssize_t written = ::write(pipe_, text.data() + done, text.size() - done);
      if (written <= 0) break;
      done += static_cast<std::size_t>(written);
    }
    ::_exit(0);
  }

 private:
  Json watch() {
    if (!take_lock()) return cancelled();
    if (attempt_.is_done()) return {{"state", "already"}};
    if (!attempt_.service.empty()) {
      service_ = spawn(attempt_.service, attempt_.service_log, {});
      if (Json problem = wait_until_ready(); !problem.is_null()) return problem;
    }
    command_ = spawn(attempt_.command, attempt_.log, attempt_.standard_output);
    if (Json problem = wait_for_command(); !problem.is_null()) return problem;
    end_all(attempt_.grace);
    attempt_.keep();
    return {{"state", "finished"}, {"status", 0}};
  }

  static Json cancelled() { return {{"state", "cancelled"}, {"message", "stopped"}}; }

  // Waits for another run that works on the same step.
  bool take_lock() {
    fs::create_directories(attempt_.lock.parent_path());
    const int file = ::open(attempt_.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0)
      fail(ErrorCode::Internal, "cannot lock ", attempt_.lock.string(), ": ", std::strerror(errno));
    while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      if (stop_came(0.1)) return false;
    }
    return true;
  }

  // Waits a while; true when this process was told to stop.
  bool stop_came(double seconds) {
    sigset_t stops;
    sigemptyset(&stops);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&stops, number);
    timespec wait{};
    wait.tv_sec = static_cast<time_t>(seconds);
    wait.tv_nsec = static_cast<long>((seconds - static_cast<double>(wait.tv_sec)) * 1e9);
    const int number = ::sigtimedwait(&stops, nullptr, &wait);
    if (number > 0 && number != SIGCHLD) stopped_ = true;
    return stopped_;
  }

  pid_t spawn(std::vector<std::string> words, const fs::path& log, const fs::path& output) {
    std::vector<std::string> variables = attempt_.environment;
    const std::vector<char*> argv = pointers_to(words), envp = pointers_to(variables);
    int failure[2];
    if (::pipe2(failure, O_CLOEXEC) != 0)
      fail(ErrorCode::ResourceExhausted, "cannot make a pipe: ", std::strerror(errno));
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) {
      const int reason = errno;
      for (const int end : failure) ::close(end);
      fail(ErrorCode::ResourceExhausted, "cannot start '", words[0], "': ", std::strerror(reason));
    }
    if (child == 0) {
      const int number = become(argv, envp, log, output, parent);
      [[maybe_unused]] const ssize_t told = ::write(failure[1], &number, sizeof number);
      ::_exit(127);
    }
    ::close(failure[1]);
    int number = 0;
    const ssize_t got = ::read(failure[0], &number, sizeof number);
    ::close(failure[0]);
    if (got == sizeof number)
      fail(ErrorCode::NotFound, "cannot start '", words[0], "': ", std::strerror(number));
    return child;
  }

  // In the child: becomes the command, or returns the reason why not.
  int become(const std::vector<char*>& argv, const std::vector<char*>& envp, const fs::path& log,
             const fs::path& output, pid_t parent) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) ::signal(number, SIG_DFL);
    const int input = ::open("/dev/null", O_RDONLY);
    const int error = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (input < 0 || error < 0) return errno;
    const int out =
        output.empty() ? error : ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (out < 0) return errno;
    ::dup2(input, 0);
    ::dup2(out, 1);
    ::dup2(error, 2);
    if (::chdir(attempt_.folder.c_str()) != 0) return errno;
    ::execvpe(argv[0], argv.data(), envp.data());
    return errno;
  }

  // Takes ended children; keeps the status of the command and of the service.
  void reap() {
    int status = 0;
    while (true) {
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended <= 0) return;
      if (ended == command_) {
        command_ended_ = true;
        command_status_ = status;
      }
      if (ended == service_) {
        service_ended_ = true;
        service_status_ = status;
      }
    }
  }

  static std::string describe(int status) {
    std::ostringstream text;
    if (WIFSIGNALED(status)) {
      text << "was killed by signal " << WTERMSIG(status) << " (" << ::strsignal(WTERMSIG(status))
           << ")";
    } else {
      text << "ended with status " << WEXITSTATUS(status);
    }
    return text.str();
  }

  // Its log may have found no room to say so.
  std::string full_disk() const {
    std::error_code error;
    const fs::space_info space = fs::space(attempt_.folder, error);
    if (error || space.available > 0) return "";
    return ", and there is no space left on the device of " + attempt_.folder.string();
  }

  static int code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  Json wait_for_command() {
    while (true) {
      reap();
      if (command_ended_) break;
      if (service_ > 0 && service_ended_)
        return {{"state", "failed"}, {"message", "its service " + describe(service_status_)}};
      const double left = attempt_.time_limit - seconds_since(start_);
      if (attempt_.time_limit > 0 && left <= 0) {
        std::ostringstream text;
        text << "ran past its time limit of " << attempt_.time_limit << " s";
        return {{"state", "failed"}, {"message", text.str()}, {"timed_out", true}};
      }
      if (stop_came(attempt_.time_limit > 0 ? std::min(left, 1.0) : 1.0)) {
        reap();
        if (command_ended_) break;
        return cancelled();
      }
    }
    if (command_status_ == 0) return nullptr;
    return {{"state", stopped_ ? "cancelled" : "failed"},
            {"message", "the command " + describe(command_status_) + full_disk()},
            {"status", code_of(command_status_)}};
  }

  Json wait_until_ready() {
    while (!answers()) {
      reap();
      if (service_ended_)
        return {{"state", "failed"},
                {"message", "its service " + describe(service_status_) + " before it was ready"}};
      if (seconds_since(start_) > attempt_.start_limit)
        return {{"state", "failed"}, {"message", "its service was not ready in time"}};
      if (stop_came(0.05)) return cancelled();
    }
    return nullptr;
  }

  // Asks the service whether it is ready: GET over HTTP/1.1, 200 is a yes.
  bool answers() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(attempt_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{1, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    bool good = false;
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      const std::string ask = "GET " + attempt_.ready_path +
                              " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
      char reply[16] = {};
      good = ::send(socket, ask.data(), ask.size(), MSG_NOSIGNAL) ==
                 static_cast<ssize_t>(ask.size()) &&
             ::recv(socket, reply, 12, MSG_WAITALL) == 12 && std::strncmp(reply + 9, "200", 3) == 0;
    }
    ::close(socket);
    return good;
  }

  // Ends whatever still lives below this process.
  void end_all(double grace) {
    if (children_of(::getpid()).empty()) {
      reap();
      return;
    }
    signal_tree(::getpid(), SIGTERM);
    const Clock::time_point asked = Clock::now();
    while (true) {
      reap();
      if (children_of(::getpid()).empty()) return;
      if (seconds_since(asked) > grace) signal_tree(::getpid(), SIGKILL);
      stop_came(0.02);
    }
  }

  const Attempt& attempt_;
  int pipe_;
  Clock::time_point start_;
  pid_t command_ = -1, service_ = -1;
  bool command_ended_ = false, service_ended_ = false, stopped_ = false;
  int command_status_ = 0, service_status_ = 0;
};

}  // namespace

Warden start_attempt(const Attempt& attempt) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what a killed warden leaves comes here
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    fail(ErrorCode::ResourceExhausted, "cannot make a pipe: ", std::strerror(errno));
  sigset_t blocked, before;
  sigemptyset(&blocked);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE}) sigaddset(&blocked, number);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) {
    const int reason = errno;
    for (const int end : ends) ::close(end);
    fail(ErrorCode::ResourceExhausted, "cannot start a process: ", std::strerror(reason));
  }
  if (child == 0) {
    ::setsid();  // Ctrl-C reaches the runner alone, which passes it on once
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::getppid() != parent) ::_exit(1);
    // Locks of the runner must not outlive it in here.
    constexpr int kPipe = 3;
    ::dup3(ends[1], kPipe, O_CLOEXEC);
    ::close_range(kPipe + 1, ~0U, 0);
    WardenProcess(attempt, kPipe).run();
  }
  ::close(ends[1]);
  return {child, ends[0], ""};
}

void end_orphans(const std::vector<pid_t>& wardens) {
  for (const pid_t child : children_of(::getpid())) {
    if (std::find(wardens.begin(), wardens.end(), child) != wardens.end()) continue;
    signal_tree(child, SIGKILL);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(socket);
  if (!bound) fail(ErrorCode::ResourceExhausted, "there is no free port: ", std::strerror(errno));
  return ntohs(address.sin_port);
}

}  // namespace jetcal::pipeline
