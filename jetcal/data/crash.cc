// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/crash.h"

#include <atomic>
#include <csignal>

#include "jetcal/data/detail/file_in_work.h"
#include "jetcal/data/detail/root_errors.h"

namespace jetcal::data {

namespace {

// Global, because signal handlers take no argument.
thread_local const char* file_in_work = nullptr;
std::atomic<CrashHandler> crash_handler = nullptr;

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
    action.sa_flags = SA_NODEFER;  // so that raise() in the handler works at once
    ::sigaction(number, &action, nullptr);
  }
}

namespace detail {

FileInWork::FileInWork(const std::filesystem::path& path) noexcept : outer_(file_in_work) {
  file_in_work = path.c_str();
}

FileInWork::~FileInWork() { file_in_work = outer_; }

}  // namespace detail
}  // namespace jetcal::data
