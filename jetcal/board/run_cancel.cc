// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

#include "jetcal/board/run_view.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

// A process that works on a run holds its lock file open. Numbers of processes are used again; this
// tells them apart.
bool holds(std::int64_t process, const fs::path& file) {
  std::error_code error;
  const fs::path wanted = fs::canonical(file, error);
  if (error) return false;
  const fs::path folder = fs::path("/proc") / std::to_string(process) / "fd";
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code link_error;
    if (fs::read_symlink(entry->path(), link_error) == wanted) return true;
  }
  return false;
}

}  // namespace

void cancel_run(const RunStory& story) {
  const std::string& run = story.summary.run;
  if (story.summary.state != "running")
    fail(ErrorCode::FailedPrecondition, "the run ", run, " does not run: it is ",
         story.summary.state);
  // Through a handle, so that the process that is asked is the one that was looked at.
  const int handle =
      story.process > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, story.process, 0)) : -1;
  const bool ours = handle >= 0 && holds(story.process, fs::path(story.summary.folder) / "lock");
  const bool sent = ours && ::syscall(SYS_pidfd_send_signal, handle, SIGTERM, nullptr, 0) == 0;
  if (handle >= 0) ::close(handle);
  if (!sent)
    fail(ErrorCode::FailedPrecondition, "the process that works on the run ", run,
         " cannot be reached from here");
}

}  // namespace jetcal::board
