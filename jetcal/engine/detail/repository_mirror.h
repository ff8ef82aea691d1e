// SPDX-License-Identifier: Apache-2.0
// A folder on this machine that follows a model repository in an object store.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/store/object_store.h"

namespace jetcal::engine::detail {

/// A model's folder appears, changes and goes as a whole: it is fetched beside the old one, which
/// it replaces when every object is there. Objects that have not changed are not fetched again.
/// refresh() and refresh_model() are for one thread at a time, the rest is thread-safe.
class RepositoryMirror {
 public:
  /// Copies into `cache`, which is kept, or into a folder that goes with this object when it is
  /// empty. Throws what open_object_store() does, FailedPrecondition when another process uses the
  /// cache.
  RepositoryMirror(const std::string& location, const std::filesystem::path& cache);
  ~RepositoryMirror();
  RepositoryMirror(const RepositoryMirror&) = delete;
  RepositoryMirror& operator=(const RepositoryMirror&) = delete;

  const std::filesystem::path& folder() const noexcept { return folder_; }
  /// Brings the folders of the models that are wanted up to date; returns why the store could not
  /// be read, in which case nothing has changed. A model whose objects change meanwhile, or vanish,
  /// stays as it was.
  std::optional<Error> refresh(const std::function<bool(const std::string&)>& wanted);
  std::optional<Error> refresh_model(const std::string& model);

  /// The models that the store had when it was read last, sorted.
  std::vector<std::string> names() const;
  /// Why the store could not be read the last time; nothing when it could.
  std::optional<std::string> problem() const;

 private:
  struct Lock;
  /// By path below the model's folder.
  using Objects = std::map<std::string, store::ObjectInfo>;

  Objects objects_of(const std::string& model) const;
  void update(const std::string& model, const Objects& objects);
  void fetch(const std::string& model, const Objects& objects);
  void drop(const std::string& model);
  std::optional<Error> noted(const std::function<void()>& work);

  const std::string location_;
  std::optional<TemporaryFolder> passing_;  // where no cache is given
  std::filesystem::path folder_;
  std::unique_ptr<store::ObjectStore> store_;
  std::unique_ptr<Lock> lock_;
  mutable std::mutex mutex_;  // of the two below
  std::vector<std::string> names_;
  std::optional<std::string> problem_;
};

}  // namespace jetcal::engine::detail
