// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/crash_report.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "jetcal/cli/verb.h"
#include "jetcal/data/crash.h"

namespace jetcal::cli {

namespace {

// Global, because a signal handler takes no argument. Set before the handler is.
const char* verb_name = "";
std::string shard_folder;

void say(const char* text) { static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text))); }

bool ends_with(const char* name, const char* end) {
  const std::size_t length = std::strlen(name), wanted = std::strlen(end);
  return length >= wanted && std::strcmp(name + length - wanted, end) == 0;
}

// Removes what a killed ingest leaves. Only system calls: readdir() would allocate.
void clean_folder(const char* path) {
  const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return;
  bool finished_shards = false;
  alignas(dirent64) std::array<char, 4096> buffer{};
  for (;;) {
    const auto bytes = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size());
    if (bytes <= 0) break;
    for (long at = 0; at < bytes;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      if (ends_with(entry->d_name, ".part") || std::strcmp(entry->d_name, ".lock") == 0)
        ::unlinkat(folder, entry->d_name, 0);
      finished_shards = finished_shards || ends_with(entry->d_name, ".arrow");
      at += entry->d_reclen;
    }
  }
  if (!finished_shards) ::unlinkat(folder, "manifest.json", 0);
  ::close(folder);
  if (!finished_shards) ::rmdir(path);  // refused when anything else is in it
}

void end_with_sentence(const char* path) {
  if (!shard_folder.empty()) clean_folder(shard_folder.c_str());
  for (const char* text :
       {"jetcal ", verb_name, ": damaged file: ", path, " crashed ROOT, which was reading it\n"}) {
    say(text);
  }
  ::_exit(exit_status(ErrorCode::DataLoss));
}

}  // namespace

void report_crashes(const char* verb, const std::filesystem::path& shards) {
  verb_name = verb;
  shard_folder = shards.string();
  data::on_crash(end_with_sentence);
}

}  // namespace jetcal::cli
