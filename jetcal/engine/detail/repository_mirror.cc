// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/repository_mirror.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "jetcal/base/files.h"
#include "jetcal/base/log.h"

namespace jetcal::engine::detail {

namespace fs = std::filesystem;

namespace {

using nlohmann::json;

// What a folder was made from, in the folder.
constexpr const char* kRecord = ".jetcal-objects.json";
constexpr const char* kStaged = ".staged-";

// Names that some stores keep for folders, and those that would lie outside, are passed over.
bool is_file_below(std::string_view name) {
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

json read_record(const fs::path& folder) {
  const fs::path file = folder / kRecord;
  if (!fs::exists(file)) return json::object();
  json record = json::parse(read_file(file), nullptr, false);
  return record.is_object() ? record : json::object();
}

json entry_of(const store::ObjectInfo& object) {
  return {{"version", object.version}, {"bytes", object.bytes}};
}

// Puts `fresh` in place of `old` in one step where the file system can.
void take_place(const fs::path& fresh, const fs::path& old) {
  if (!fs::exists(old)) {
    fs::rename(fresh, old);
    return;
  }
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, old.c_str(), RENAME_EXCHANGE) != 0) {
    const fs::path aside = fresh.string() + ".old";
    fs::remove_all(aside);
    fs::rename(old, aside);
    fs::rename(fresh, old);
    fs::remove_all(aside);
  }
  fs::remove_all(fresh);
}

}  // namespace

// Held by the kernel, so that it ends with the process however that ends.
struct RepositoryMirror::Lock {
  explicit Lock(const fs::path& folder)
      : file(::open((folder / ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    if (file >= 0 && ::flock(file, LOCK_EX | LOCK_NB) == 0) return;
    const bool taken = file >= 0 && errno == EWOULDBLOCK;
    const std::string reason = taken ? "another server uses it" : std::strerror(errno);
    if (file >= 0) ::close(file);
    fail(ErrorCode::FailedPrecondition, "cannot use the repository cache ", folder.string(), ": ",
         reason);
  }
  ~Lock() { ::close(file); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  int file;
};

RepositoryMirror::RepositoryMirror(const std::string& location, const fs::path& cache)
    : location_(location), store_(store::open_object_store(location)) {
  folder_ = cache.empty() ? passing_.emplace().path() : cache;
  std::error_code error;
  fs::create_directories(folder_, error);
  lock_ = std::make_unique<Lock>(folder_);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kStaged)) fs::remove_all(entry.path());  // of a process that was killed
    if (entry.is_directory() && !name.starts_with('.')) names_.push_back(name);
  }
  std::sort(names_.begin(), names_.end());
}

RepositoryMirror::~RepositoryMirror() = default;

std::vector<std::string> RepositoryMirror::names() const {
  const std::lock_guard lock(mutex_);
  return names_;
}

std::optional<std::string> RepositoryMirror::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

// Runs what reads the store, and says when it begins and when it ceases to fail.
std::optional<Error> RepositoryMirror::noted(const std::function<void()>& work) {
  std::optional<Error> error;
  try {
    work();
  } catch (const Error& failure) {
    error = failure;
  } catch (const std::exception& failure) {  // of the file system
    error.emplace(ErrorCode::Internal, failure.what());
  }
  const std::lock_guard lock(mutex_);
  if (error && !problem_ && error->code() != ErrorCode::Cancelled)
    spdlog::warn("the model repository {} cannot be read, what is loaded stays in service: {}",
                 location_, error->what());
  if (!error && problem_) spdlog::info("the model repository {} can be read again", location_);
  problem_ = error ? std::optional<std::string>(error->what()) : std::nullopt;
  return error;
}

std::optional<Error> RepositoryMirror::refresh(
    const std::function<bool(const std::string&)>& wanted) {
  return noted([&] {
    std::map<std::string, Objects> models;
    for (const store::ObjectInfo& object : store_->list()) {
      const std::size_t slash = object.name.find('/');
      if (slash == std::string::npos || object.name.front() == '.') continue;
      const std::string path = object.name.substr(slash + 1);
      if (is_file_below(object.name)) models[object.name.substr(0, slash)][path] = object;
    }
    std::vector<std::string> names;
    names.reserve(models.size());
    for (const auto& [model, objects] : models) names.push_back(model);
    std::vector<std::string> before;
    {
      const std::lock_guard lock(mutex_);
      before = std::exchange(names_, names);
    }
    for (const std::string& model : before) {
      if (!models.contains(model)) drop(model);
    }
    for (const auto& [model, objects] : models) {
      if (wanted(model)) update(model, objects);
    }
  });
}

std::optional<Error> RepositoryMirror::refresh_model(const std::string& model) {
  return noted([&] {
    const Objects objects = objects_of(model);
    {
      const std::lock_guard lock(mutex_);
      const auto place = std::lower_bound(names_.begin(), names_.end(), model);
      const bool known = place != names_.end() && *place == model;
      if (known && objects.empty()) names_.erase(place);
      if (!known && !objects.empty()) names_.insert(place, model);
    }
    if (objects.empty()) {
      drop(model);
    } else {
      fetch(model, objects);
    }
  });
}

RepositoryMirror::Objects RepositoryMirror::objects_of(const std::string& model) const {
  const std::string prefix = model + "/";
  Objects objects;
  for (const store::ObjectInfo& object : store_->list(prefix)) {
    if (is_file_below(object.name)) objects[object.name.substr(prefix.size())] = object;
  }
  return objects;
}

// A model that cannot be fetched now does not keep the others from it; a store that is gone does.
void RepositoryMirror::update(const std::string& model, const Objects& objects) {
  try {
    fetch(model, objects);
  } catch (const Error& error) {
    const bool of_model =
        error.code() == ErrorCode::NotFound || error.code() == ErrorCode::DataLoss;
    if (!of_model) throw;
    spdlog::warn("model '{}' of {} stays as it was: {}", model, location_, error.what());
  } catch (const fs::filesystem_error& error) {  // such as a name that no file can have
    spdlog::warn("model '{}' of {} stays as it was: {}", model, location_, error.what());
  }
}

void RepositoryMirror::fetch(const std::string& model, const Objects& objects) {
  const fs::path old = folder_ / model;
  const json known = read_record(old);
  json record = json::object();
  for (const auto& [path, object] : objects) record[path] = entry_of(object);
  if (record == known) return;

  const fs::path staged = folder_ / (kStaged + model);
  fs::remove_all(staged);
  for (const auto& [path, object] : objects) {
    const fs::path target = staged / path;
    fs::create_directories(target.parent_path());
    const bool same = known.contains(path) && known[path] == record[path];
    std::error_code linked;
    if (same) fs::create_hard_link(old / path, target, linked);
    if (same && !linked) continue;
    store_->get_to_file(object.name, target);
    const auto bytes = static_cast<std::int64_t>(fs::file_size(target));
    if (bytes != object.bytes)
      fail(ErrorCode::DataLoss, store_->name_of(object.name), " changed while it was read");
  }
  // Somebody may be writing into the model at this moment: what was read is whole only when nothing
  // differs now.
  json now = json::object();
  for (const auto& [path, object] : objects_of(model)) now[path] = entry_of(object);
  if (now != record) {
    fs::remove_all(staged);
    fail(ErrorCode::DataLoss, store_->name_of(model), " changed while it was read");
  }
  write_file(staged / kRecord, record.dump());
  take_place(staged, old);
}

void RepositoryMirror::drop(const std::string& model) {
  std::error_code unreadable;  // such as a name that is too long
  if (!fs::exists(folder_ / model, unreadable)) return;
  const fs::path gone = folder_ / (kStaged + model);
  fs::remove_all(gone);
  fs::rename(folder_ / model, gone);  // as a whole
  fs::remove_all(gone);
}

}  // namespace jetcal::engine::detail
