// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/run_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>

extern char** environ;

namespace jetcal::pipeline {

namespace fs = std::filesystem;

std::string new_run_id(const Pipeline& pipeline, const std::map<std::string, Json>& parameters,
                       const Store& store) {
  const auto network = parameters.find("network");
  const std::string name = network != parameters.end() && network->second.is_string()
                               ? network->second.get<std::string>()
                               : pipeline.name;
  if (name.find('/') != std::string::npos)
    fail(ErrorCode::InvalidArgument, "the parameter 'network' names the run and cannot hold '/'");
  std::random_device random;
  while (true) {
    char digits[8];
    std::snprintf(digits, sizeof digits, "%06x", random() & 0xFFFFFFU);
    std::string id = std::string(name).append("-").append(digits);
    std::error_code error;
    if (fs::create_directory(store.run_folder(id), error)) return id;
    if (!error) continue;  // taken
    const bool full = error == std::errc::no_space_on_device;
    fail(full ? ErrorCode::ResourceExhausted : ErrorCode::Internal,
         "cannot make the folder of the run: ", error.message());
  }
}

RunLock::RunLock(const fs::path& path)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (file_ < 0) fail(ErrorCode::Internal, "cannot open ", path.string());
  if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(file_);
  fail(ErrorCode::FailedPrecondition, "another process goes on with the run ",
       path.parent_path().filename().string());
}

RunLock::~RunLock() { ::close(file_); }

bool is_locked(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool locked = ::flock(file, LOCK_SH | LOCK_NB) != 0;
  ::close(file);
  return locked;
}

std::vector<std::string> step_environment(const Binding& binding, const std::string& key) {
  static const std::set<std::string> kInherited{"PATH", "HOME",   "USER", "LOGNAME",        "SHELL",
                                                "LANG", "TMPDIR", "TZ",   "LD_LIBRARY_PATH"};
  const std::vector<std::string>& pass = binding.step->pass;
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    if (name.size() == text.size()) continue;
    const bool passed = std::find(pass.begin(), pass.end(), name) != pass.end();
    if (kInherited.count(name) != 0 || name.rfind("JETCAL_", 0) == 0 || name.rfind("LC_", 0) == 0 ||
        passed)
      variables[name] = text.substr(name.size() + 1);
  }
  variables["JETCAL_STEP_KEY"] = key;
  variables.insert_or_assign("SOURCE_DATE_EPOCH",
                             std::string(1, '0'));  // files that hold a date hold this one
  for (const auto& [name, value] : expand_environment(binding)) variables[name] = value;
  std::vector<std::string> all;
  all.reserve(variables.size());
  for (const auto& [name, value] : variables)
    all.push_back(std::string(name).append("=").append(value));
  return all;
}

}  // namespace jetcal::pipeline
