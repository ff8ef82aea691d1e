// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/model_repository.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "jetcal/base/files.h"
#include "jetcal/base/log.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::engine::detail {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kSweepInterval{20};

// Changes when a file of the folder does: names, sizes, times.
std::string signature_of(const fs::path& folder) {
  std::vector<std::string> lines;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    const auto time = fs::last_write_time(at->path(), ignored).time_since_epoch().count();
    const auto size = at->is_regular_file(ignored) ? fs::file_size(at->path(), ignored) : 0;
    std::ostringstream line;
    line << at->path().string() << ' ' << size << ' ' << time;
    lines.push_back(line.str());
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) all += line + '\n';
  return all;
}

// Writes the files of a load request into a model's folder.
void write_files(const std::map<std::string, std::string>& files, const fs::path& folder) {
  for (const auto& [name, bytes] : files) {
    const fs::path relative(name);
    const bool inside = !relative.is_absolute() && !name.empty() &&
                        std::none_of(relative.begin(), relative.end(),
                                     [](const fs::path& part) { return part == ".."; });
    if (!inside)
      fail(ErrorCode::InvalidArgument, "the file '", name, "' of a load request lies elsewhere");
    write_file(folder / relative, bytes);
  }
}

bool any_ready(const std::vector<LoadedVersion>& versions) {
  return std::any_of(versions.begin(), versions.end(),
                     [](const LoadedVersion& version) { return version.state.ready; });
}

bool wanted(const EngineOptions& options, const std::string& model) {
  if (options.control != ControlMode::Explicit) return true;
  const auto& names = options.load_models;
  return std::find(names.begin(), names.end(), model) != names.end() ||
         std::find(names.begin(), names.end(), "*") != names.end();
}

std::unique_ptr<RepositoryMirror> make_mirror(const EngineOptions& options) {
  const std::string location = options.repository.string();
  if (!store::is_remote(location)) return nullptr;
  return std::make_unique<RepositoryMirror>(location, options.repository_cache);
}

EngineOptions with_folder(EngineOptions options, const RepositoryMirror* mirror) {
  if (mirror != nullptr) options.repository = mirror->folder();
  return options;
}

}  // namespace

ModelRepository::ModelRepository(const EngineOptions& options)
    : mirror_(make_mirror(options)), options_(with_folder(options, mirror_.get())) {
  if (mirror_) {
    const auto error =
        mirror_->refresh([&](const std::string& model) { return wanted(options_, model); });
    if (error && mirror_->names().empty()) throw Error(*error);
  }
  std::vector<LoadedVersion> loaded;
  const std::vector<std::string> names = model_names();
  for (const std::string& name : options.load_models) {
    if (name != "*" && !std::binary_search(names.begin(), names.end(), name))
      fail(ErrorCode::NotFound, "the model '", name, "' to load is not in the repository");
  }
  for (const std::string& name : names) {
    if (!wanted(options, name)) continue;
    signatures_[name] = signature_of(options_.repository / name);
    for (LoadedVersion& version : load_folder(name, {})) loaded.push_back(std::move(version));
  }
  snapshot_ = Snapshot(std::move(loaded));
  sweeper_ = std::thread([this] { sweep(); });
  if (options.control == ControlMode::Poll) watcher_ = std::thread([this] { watch(); });
}

ModelRepository::~ModelRepository() {
  stop();
  snapshot_ = Snapshot();
  retired_.clear();
}

void ModelRepository::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  if (sweeper_.joinable()) sweeper_.join();
}

void ModelRepository::wait_until_idle() const {
  std::vector<std::shared_ptr<ModelVersion>> versions;
  {
    const std::lock_guard lock(mutex_);
    versions = retired_;
    for (const LoadedVersion& loaded : snapshot_) {
      if (loaded.model) versions.push_back(loaded.model);
    }
  }
  for (const std::shared_ptr<ModelVersion>& version : versions) version->wait_until_idle();
}

Snapshot ModelRepository::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

std::vector<std::string> ModelRepository::model_names() const {
  return mirror_ ? mirror_->names() : model_folders(options_.repository);
}

std::optional<std::string> ModelRepository::problem() const {
  return mirror_ ? mirror_->problem() : std::nullopt;
}

std::vector<LoadedVersion> ModelRepository::load_folder(const std::string& model,
                                                        const LoadOverride& override) {
  std::error_code unreadable;
  if (override.files.empty() && mirror_ &&
      !fs::is_directory(options_.repository / model, unreadable))
    return {{{model, "", false, "it could not be fetched from the object store", ""}, nullptr}};
  if (override.files.empty())
    return load_model(options_.repository / model, model, override.config, options_, timer_);
  const TemporaryFolder folder;
  write_files(override.files, folder.path());
  return load_model(folder.path(), model, override.config, options_, timer_);
}

void ModelRepository::replace(const std::string& model, std::vector<LoadedVersion> versions) {
  const std::lock_guard lock(mutex_);
  std::vector<LoadedVersion> next;
  std::vector<LoadedVersion> old;
  for (const LoadedVersion& loaded : snapshot_)
    (loaded.state.name == model ? old : next).push_back(loaded);
  if (!versions.empty() && !any_ready(versions) && any_ready(old)) {
    const std::string reason = versions.back().state.reason;
    for (LoadedVersion& version : old)
      version.state.reason = "in service; a newer state did not load: " + reason;
    versions = std::move(old);
    old.clear();
  }
  for (LoadedVersion& version : old) {
    if (version.model) retired_.push_back(std::move(version.model));
  }
  for (LoadedVersion& version : versions) next.push_back(std::move(version));
  std::stable_sort(next.begin(), next.end(), [](const LoadedVersion& a, const LoadedVersion& b) {
    return a.state.name < b.state.name;
  });
  snapshot_ = Snapshot(std::move(next));
  wake_.notify_all();
}

std::optional<Error> ModelRepository::load(const std::string& model, const LoadOverride& override) {
  const std::lock_guard lock(loading_);
  if (!override.files.empty() && override.config.empty())
    return Error(ErrorCode::InvalidArgument, "failed to load '" + model +
                                                 "', override files require that a config is "
                                                 "provided with them");
  const bool plain_name = !model.empty() && model[0] != '.' &&
                          model.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
  if (plain_name && override.files.empty() && mirror_) {
    if (const auto error = mirror_->refresh_model(model))
      return Error(error->code(), "failed to load '" + model + "': " + error->what());
  }
  std::error_code unreadable;  // such as a name that is too long: no model has it
  const bool known = plain_name && fs::is_directory(options_.repository / model, unreadable);
  if (!plain_name || (override.files.empty() && !known))
    return Error(ErrorCode::InvalidArgument,
                 "failed to load '" + model + "', failed to poll from model repository");
  try {
    std::vector<LoadedVersion> versions = load_folder(model, override);
    std::string problems;
    for (const LoadedVersion& version : versions) {
      if (!version.state.ready)
        problems +=
            (problems.empty() ? "" : "; ") + version.state.version + ": " + version.state.reason;
    }
    replace(model, std::move(versions));
    if (!problems.empty())
      return Error(ErrorCode::InvalidArgument,
                   "failed to load '" + model + "', version " + problems);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

std::optional<Error> ModelRepository::unload(const std::string& model) {
  const std::lock_guard lock(loading_);
  bool found = false;
  std::vector<LoadedVersion> gone;
  for (const LoadedVersion& loaded : snapshot()) {
    if (loaded.state.name != model) continue;
    found = true;
    ModelState state = loaded.state;
    state.ready = false;
    state.engine.clear();
    state.reason = kUnloaded;
    gone.push_back({state, nullptr});
  }
  const std::vector<std::string> names = found ? std::vector<std::string>{} : model_names();
  if (!found && !std::binary_search(names.begin(), names.end(), model))
    return Error(ErrorCode::NotFound,
                 "failed to unload '" + model + "', it is not in the repository");
  if (!found) return std::nullopt;
  // Not replace(): here nothing is meant to stay in service.
  const std::lock_guard inner(mutex_);
  std::vector<LoadedVersion> next;
  for (const LoadedVersion& loaded : snapshot_) {
    if (loaded.state.name != model) {
      next.push_back(loaded);
    } else if (loaded.model) {
      retired_.push_back(loaded.model);
    }
  }
  for (LoadedVersion& version : gone) next.push_back(std::move(version));
  std::stable_sort(next.begin(), next.end(), [](const LoadedVersion& a, const LoadedVersion& b) {
    return a.state.name < b.state.name;
  });
  snapshot_ = Snapshot(std::move(next));
  wake_.notify_all();
  return std::nullopt;
}

void ModelRepository::poll() {
  const std::lock_guard lock(loading_);
  // What is wrong with an object store is told where it is noticed.
  if (mirror_ &&
      mirror_->refresh([&](const std::string& model) { return wanted(options_, model); }))
    return;
  std::vector<std::string> names;
  try {
    names = model_names();
  } catch (const std::exception& error) {
    spdlog::warn("the model repository cannot be read: {}", error.what());
    return;
  }
  const std::set<std::string> there(names.begin(), names.end());
  for (const std::string& name : names) {
    std::string signature = signature_of(options_.repository / name);
    const auto known = signatures_.find(name);
    if (known != signatures_.end() && known->second == signature) continue;
    signatures_[name] = std::move(signature);
    spdlog::info("loading model '{}'", name);
    replace(name, load_folder(name, {}));
  }
  for (auto known = signatures_.begin(); known != signatures_.end();) {
    if (there.contains(known->first)) {
      ++known;
      continue;
    }
    spdlog::info("model '{}' is gone", known->first);
    replace(known->first, {});
    known = signatures_.erase(known);
  }
}

void ModelRepository::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, options_.poll_interval, [this] { return stopping_; });
    if (stopping_) return;
    lock.unlock();
    poll();
    lock.lock();
  }
}

// A version ends on this thread, when no request can reach it any more: ending it waits for its
// workers, which must not happen on a worker or on a thread of the server.
void ModelRepository::sweep() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (retired_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const auto ended = std::partition(
        retired_.begin(), retired_.end(),
        [](const std::shared_ptr<ModelVersion>& version) { return version.use_count() > 1; });
    std::vector<std::shared_ptr<ModelVersion>> unused(std::make_move_iterator(ended),
                                                      std::make_move_iterator(retired_.end()));
    retired_.erase(ended, retired_.end());
    if (unused.empty()) {
      wake_.wait_for(lock, kSweepInterval);
      continue;
    }
    lock.unlock();
    unused.clear();
    lock.lock();
  }
}

}  // namespace jetcal::engine::detail
