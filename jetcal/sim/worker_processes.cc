// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/worker_processes.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/stop.h"

namespace jetcal::sim {

namespace {

/// What a child sends back for a task.
struct Reply {
  std::int64_t task, result;
  int failed;  // 0, or 1 + ErrorCode
  char message[480];
};

bool send_all(int socket, const void* data, std::size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = ::send(socket, from, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    from += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, void* data, std::size_t size) {
  char* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::recv(socket, to, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

Reply answer(std::int64_t task, const std::function<std::int64_t(std::int64_t)>& work) {
  Reply reply{};
  reply.task = task;
  const auto failed = [&](ErrorCode code, const char* message) {
    reply.failed = 1 + static_cast<int>(code);
    std::strncpy(reply.message, message, sizeof(reply.message) - 1);
  };
  try {
    reply.result = work(task);
  } catch (const Error& error) {
    failed(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    failed(ErrorCode::ResourceExhausted, "out of memory in a worker process");
  } catch (const std::exception& error) {
    failed(ErrorCode::Internal, error.what());
  }
  return reply;
}

/// Owns the children: closes their sockets and waits for them at the end.
class Children {
 public:
  ~Children() {
    for (const Child& child : children_) {
      if (child.socket >= 0) ::close(child.socket);
    }
    for (const Child& child : children_) {
      if (failed_) ::kill(child.process, SIGKILL);
      ::waitpid(child.process, nullptr, 0);
    }
  }
  void start(const std::function<std::int64_t(std::int64_t)>& work) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      fail(ErrorCode::ResourceExhausted, "cannot make a socket pair: ", std::strerror(errno));
    const pid_t process = ::fork();
    if (process < 0)
      fail(ErrorCode::ResourceExhausted, "cannot start a worker process: ", std::strerror(errno));
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(ends[0]);
      for (const Child& child : children_) ::close(child.socket);
      std::int64_t task = 0;
      while (receive_all(ends[1], &task, sizeof(task))) {
        const Reply reply = answer(task, work);
        if (!send_all(ends[1], &reply, sizeof(reply))) break;
      }
      // No destructors: they belong to the parent.
      ::_exit(0);
    }
    ::close(ends[1]);
    children_.push_back({process, ends[0], false});
  }
  /// Gives a task to child `index`; false when there is none left.
  bool feed(std::size_t index, const std::function<std::int64_t()>& next) {
    const std::int64_t task = next();
    children_[index].busy = task >= 0;
    if (task < 0) return false;
    if (!send_all(children_[index].socket, &task, sizeof(task))) died();
    return true;
  }
  /// Waits for replies; returns the children that have one.
  std::vector<std::size_t> wait() const {
    std::vector<pollfd> polls;
    for (const Child& child : children_)
      polls.push_back({child.busy ? child.socket : -1, POLLIN, 0});
    std::vector<std::size_t> ready;
    if (::poll(polls.data(), polls.size(), 200) <= 0) return ready;
    for (std::size_t i = 0; i < polls.size(); ++i) {
      if (polls[i].revents != 0) ready.push_back(i);
    }
    return ready;
  }
  Reply receive(std::size_t index) {
    Reply reply{};
    if (!receive_all(children_[index].socket, &reply, sizeof(reply))) died();
    children_[index].busy = false;
    return reply;
  }
  bool any_busy() const {
    return std::any_of(children_.begin(), children_.end(), [](const Child& c) { return c.busy; });
  }
  std::size_t size() const { return children_.size(); }
  void set_failed() { failed_ = true; }

 private:
  [[noreturn]] static void died() {
    fail(ErrorCode::Internal, "a worker process ended before its work was done");
  }
  struct Child {
    pid_t process;
    int socket;
    bool busy;
  };
  std::vector<Child> children_;
  bool failed_ = false;
};

}  // namespace

void run_in_processes(int workers, const std::function<std::int64_t()>& next,
                      const std::function<std::int64_t(std::int64_t)>& work,
                      const std::function<void(std::int64_t, std::int64_t)>& done) {
  Children children;
  try {
    for (int i = 0; i < workers; ++i) {
      children.start(work);
      if (!children.feed(static_cast<std::size_t>(i), next)) break;
    }
    while (children.any_busy()) {
      if (stop_requested()) fail(ErrorCode::Cancelled, "stopped; the same command resumes");
      for (const std::size_t index : children.wait()) {
        const Reply reply = children.receive(index);
        if (reply.failed != 0)
          fail(static_cast<ErrorCode>(reply.failed - 1), static_cast<const char*>(reply.message));
        done(reply.task, reply.result);
        children.feed(index, next);
      }
    }
  } catch (...) {
    children.set_failed();
    throw;
  }
}

}  // namespace jetcal::sim
