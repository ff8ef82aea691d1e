// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/files.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "jetcal/base/error.h"

namespace jetcal {

namespace fs = std::filesystem;

static ErrorCode code_of(int number) {
  return number == ENOSPC || number == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::Internal;
}

std::string read_file(const fs::path& path) {
  if (!fs::exists(path)) fail(ErrorCode::NotFound, "no such file: ", path.string());
  std::ifstream in(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad() || !in.is_open()) fail(ErrorCode::DataLoss, "cannot read ", path.string());
  return content;
}

void write_file(const fs::path& path, std::string_view content) {
  PartialFile part(path);
  std::ofstream out(part.path(), std::ios::binary | std::ios::trunc);
  if (!out) fail(code_of(errno), "cannot write ", path.string(), ": ", std::strerror(errno));
  errno = 0;
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (!out) fail(code_of(errno), "cannot write ", path.string(), ": ", std::strerror(errno));
  part.commit();
}

PartialFile::PartialFile(fs::path target) : target_(std::move(target)), path_(target_) {
  path_ += ".part";
  if (target_.has_parent_path()) {
    std::error_code error;
    fs::create_directories(target_.parent_path(), error);
    if (error)
      fail(code_of(error.value()), "cannot make ", target_.parent_path().string(), ": ",
           error.message());
  }
}

PartialFile::~PartialFile() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove(path_, ignored);
}

void PartialFile::commit() {
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(code_of(errno), "cannot write ", target_.string(), ": ", std::strerror(errno));
  const bool synced = ::fsync(file) == 0;
  const int number = errno;
  ::close(file);
  if (!synced)
    fail(code_of(number), "cannot write ", target_.string(), ": ", std::strerror(number));
  std::error_code error;
  fs::rename(path_, target_, error);
  if (error) fail(code_of(error.value()), "cannot write ", target_.string(), ": ", error.message());
  committed_ = true;
}

static void check_folder(const fs::path& target, const std::error_code& error) {
  if (!error) return;
  const bool full = error == std::errc::no_space_on_device;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::InvalidArgument, "cannot write to ",
       target.string(), ": ", error.message());
}

PartialFolder::PartialFolder(const fs::path& target)
    : target_(fs::absolute(target).lexically_normal()) {
  if (target_.filename().empty()) target_ = target_.parent_path();  // a slash at the end
  path_ = target_;
  path_ += ".part";
  if (fs::exists(target_) && !fs::is_directory(target_))
    fail(ErrorCode::InvalidArgument, "the output is a file, not a folder: ", target_.string());
  std::error_code error;
  fs::remove_all(path_, error);  // of a run that was killed
  fs::create_directories(path_, error);
  check_folder(target_, error);
}

PartialFolder::~PartialFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void PartialFolder::commit() {
  std::error_code error;
  fs::create_directories(target_, error);
  check_folder(target_, error);
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    fs::rename(entry.path(), target_ / entry.path().filename(), error);
    check_folder(target_, error);
  }
}

std::vector<fs::path> glob_files(const std::string& pattern) {
  const fs::path path(pattern);
  const std::string name = path.filename().string();
  if (name.find_first_of("*?") == std::string::npos) {
    if (!fs::exists(path)) fail(ErrorCode::NotFound, "no such file: ", pattern);
    return {path};
  }
  std::vector<fs::path> matches;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (::fnmatch(name.c_str(), entry.path().filename().c_str(), 0) == 0)
      matches.push_back(entry.path());
  }
  if (matches.empty()) fail(ErrorCode::NotFound, "no file matches ", pattern);
  std::sort(matches.begin(), matches.end());
  return matches;
}

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) noexcept {
  for (const char byte : bytes) seed = (seed ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL;
  return seed;
}

}  // namespace jetcal
