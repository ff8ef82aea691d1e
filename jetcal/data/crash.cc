// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/crash.h"

#include <atomic>
#include <csignal>
#include <vector>

#include "jetcal/data/detail/file_in_work.h"
#include "jetcal/data/detail/root_errors.h"

namespace jetcal::data {

namespace {

// Global, because signal handlers take no argument.
thread_local const char* file_in_work = nullptr;
std::atomic<CrashHandler> crash_handler = nullptr;

// Lets the handler run when ROOT has used up the stack of this thread: a damaged tree may have
// ROOT recurse without end. A stack that another library has set stays.
class HandlerStack {
 public:
  HandlerStack() : memory_(kBytes) {
    stack_t old{};
    if (::sigaltstack(nullptr, &old) != 0 || (old.ss_flags & SS_DISABLE) == 0) return;
    stack_t own{};
    own.ss_sp = memory_.data();
    own.ss_size = memory_.size();
    installed_ = ::sigaltstack(&own, nullptr) == 0;
  }
  ~HandlerStack() {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    if (installed_) ::sigaltstack(&none, nullptr);
  }
  HandlerStack(const HandlerStack&) = delete;
  HandlerStack& operator=(const HandlerStack&) = delete;

 private:
  static constexpr std::size_t kBytes = std::size_t{64} * 1024;
  std::vector<char> memory_;
  bool installed_ = false;
};

void handle_crash(int number) {
  if (file_in_work != nullptr) crash_handler.load()(file_in_work);
  static_cast<void>(std::signal(number, SIG_DFL));
  static_cast<void>(std::raise(number));
}

}  // namespace

void on_crash(CrashHandler handler) {
  detail::start_root();  // which would reset the signals later
  crash_handler = handler;
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    struct sigaction action {};
    action.sa_handler = handle_crash;
    action.sa_flags = SA_NODEFER | SA_ONSTACK;  // so that raise() in the handler works at once
    ::sigaction(number, &action, nullptr);
  }
}

namespace detail {

FileInWork::FileInWork(const std::filesystem::path& path) noexcept : outer_(file_in_work) {
  if (crash_handler.load() != nullptr) {
    // Made at the first file of a thread; it lives as long as the thread.
    thread_local const HandlerStack stack;
  }
  file_in_work = path.c_str();
}

FileInWork::~FileInWork() { file_in_work = outer_; }

}  // namespace detail
}  // namespace jetcal::data
