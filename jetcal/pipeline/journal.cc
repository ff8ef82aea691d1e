// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "jetcal/pipeline/store.h"

namespace jetcal::pipeline {
namespace {

[[noreturn]] void cannot_write(const std::filesystem::path& path) {
  fail(errno == ENOSPC || errno == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::Internal,
       "cannot write the journal ", path.string(), ": ", std::strerror(errno));
}

}  // namespace

Journal::Journal(const std::filesystem::path& path)
    : path_(path), file_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ < 0) cannot_write(path_);
  const off_t size = ::lseek(file_, 0, SEEK_END);
  char last = '\n';
  if (size > 0 && ::pread(file_, &last, 1, size - 1) != 1) cannot_write(path_);
  if (last != '\n' && ::write(file_, "\n", 1) != 1) cannot_write(path_);
}

Journal::~Journal() { ::close(file_); }

void Journal::add(const Json& entry) {
  Json line = {{"time", time_now()}};
  line.update(entry);
  const std::string text = line.dump() + "\n";
  // One write, so that lines of two writers cannot mix.
  const ssize_t written = ::write(file_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size()) || ::fsync(file_) != 0) cannot_write(path_);
}

std::vector<Json> read_journal(const std::filesystem::path& path) {
  std::vector<Json> entries;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    Json entry = Json::parse(line, nullptr, false);
    if (entry.is_object()) entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace jetcal::pipeline
