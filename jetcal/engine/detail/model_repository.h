// SPDX-License-Identifier: Apache-2.0
// The models that are in service now, and how that changes while requests go on.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "jetcal/engine/detail/repository_loader.h"
#include "jetcal/engine/detail/repository_mirror.h"
#include "jetcal/engine/engine.h"

namespace jetcal::engine::detail {

/// The reason of a version that was taken out of service on request.
inline constexpr const char* kUnloaded = "unloaded";

/// What is in service: by name and rising version. It never changes, and stays while somebody holds
/// it: a loop over ModelRepository::snapshot() reads what no load frees.
class Snapshot {
 public:
  explicit Snapshot(std::vector<LoadedVersion> versions = {})
      : versions_(std::make_shared<const std::vector<LoadedVersion>>(std::move(versions))) {}

  auto begin() const noexcept { return versions_->begin(); }
  auto end() const noexcept { return versions_->end(); }

 private:
  std::shared_ptr<const std::vector<LoadedVersion>> versions_;  // shared: with requests under way
};

/// Thread-safe. Loading happens beside the service: requests see the old versions of a model until
/// the new ones are ready.
class ModelRepository {
 public:
  explicit ModelRepository(const EngineOptions& options);
  ~ModelRepository();  ///< Answers what is queued first.
  ModelRepository(const ModelRepository&) = delete;
  ModelRepository& operator=(const ModelRepository&) = delete;

  Snapshot snapshot() const;
  /// Loads or loads anew; see Engine::load.
  std::optional<Error> load(const std::string& model, const LoadOverride& override);
  std::optional<Error> unload(const std::string& model);
  /// Loads what is new or changed and drops what is gone.
  void poll();
  /// The models that the repository has, loaded or not, sorted.
  std::vector<std::string> model_names() const;
  /// Why the repository could not be read the last time; nothing when it could.
  std::optional<std::string> problem() const;
  /// Takes no more changes.
  void stop();
  /// Returns when no version, in service or just out of it, has a request.
  void wait_until_idle() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// Puts the versions in place of those the model has. When none of them is ready, ready ones stay
  /// in service and the reason is told with them.
  void replace(const std::string& model, std::vector<LoadedVersion> versions);
  std::vector<LoadedVersion> load_folder(const std::string& model, const LoadOverride& override);
  void watch();  // thread
  void sweep();  // thread: ends versions that are out of service

  const std::unique_ptr<RepositoryMirror> mirror_;  // of a repository in an object store
  const EngineOptions options_;                     // its repository is a folder here
  DeadlineTimer timer_;
  std::mutex loading_;                             // one change at a time
  std::map<std::string, std::string> signatures_;  // of folders, under loading_
  mutable std::mutex mutex_;                       // of all below
  Snapshot snapshot_;
  std::vector<std::shared_ptr<ModelVersion>> retired_;  // shared: with requests under way
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread watcher_, sweeper_;
};

}  // namespace jetcal::engine::detail
