// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/remote_inputs.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "jetcal/base/error.h"
#include "jetcal/store/object_store.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr const char* kScratch = "inputs.";  // in the folder of work, before six letters

// One artefact: an object, or all below a key.
struct Wanted {
  std::string name;  // the last component of its key
  bool folder = false;
  std::vector<store::ObjectInfo> objects;

  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const store::ObjectInfo& object : objects) sum += object.bytes;
    return sum;
  }

  // What changes whenever the content does; "" where the server does not say.
  std::string state() const {
    std::string text;
    for (const store::ObjectInfo& object : objects) {
      std::string version = object.version;
      std::erase(version, '"');
      if (version.empty()) return "";
      text += object.name + '\0' + version + '\0' + std::to_string(object.bytes) + '\0';
    }
    return sha256(text);
  }
};

// The folder of the bucket that holds what is wanted.
class Place {
 public:
  Place(const std::string& location, const std::function<bool()>& should_stop) {
    const auto [bucket, key] = store::split_location(location);
    if (key.empty())
      fail(ErrorCode::InvalidArgument, "an input is an object or a folder of a bucket, got ",
           location);
    const std::size_t slash = key.rfind('/');
    last_ = slash == std::string::npos ? key : key.substr(slash + 1);
    const std::string parent = slash == std::string::npos ? "" : "/" + key.substr(0, slash);
    objects_ = store::open_object_store("s3://" + bucket + parent, should_stop);
  }

  std::vector<Wanted> find() const {
    if (last_.find_first_of("*?") != std::string::npos) return matches();
    Wanted one = look({last_, false, {}});
    if (one.objects.empty()) one = look({last_, true, {}});
    if (one.objects.empty())
      fail(ErrorCode::NotFound, "there is no object ", objects_->name_of(last_),
           ", and none below it");
    return {one};
  }

  // Asks the server for what is there now.
  Wanted look(Wanted wanted) const {
    wanted.objects.clear();
    if (wanted.folder) {
      wanted.objects = objects_->list(wanted.name + "/");
    } else if (const auto object = objects_->head(wanted.name)) {
      wanted.objects.push_back(*object);
    }
    return wanted;
  }

  void fetch(const Wanted& wanted, const fs::path& folder) const {
    for (const store::ObjectInfo& object : wanted.objects)
      objects_->get_to_file(object.name, folder / object.name);
    if (look(wanted).state() != wanted.state())
      fail(ErrorCode::Unavailable, name_of(wanted), " was changed while it was read");
  }

  std::string name_of(const Wanted& wanted) const { return objects_->name_of(wanted.name); }

 private:
  std::vector<Wanted> matches() const {
    std::vector<Wanted> found;
    for (store::ObjectInfo& object : objects_->list(last_.substr(0, last_.find_first_of("*?")))) {
      if (object.name.find('/') != std::string::npos ||
          ::fnmatch(last_.c_str(), object.name.c_str(), 0) != 0)
        continue;
      Wanted one{object.name, false, {}};
      one.objects.push_back(std::move(object));
      found.push_back(std::move(one));
    }
    if (found.empty()) fail(ErrorCode::NotFound, "no object matches ", objects_->name_of(last_));
    return found;
  }

  std::string last_;
  std::unique_ptr<store::ObjectStore> objects_;
};

// A folder of this process, which goes with it; those of processes that were killed go first. Locks
// tell which these are: processes in containers may have the same number.
class Scratch {
 public:
  explicit Scratch(const fs::path& work) {
    for (const fs::directory_entry& entry : fs::directory_iterator(work)) {
      if (!entry.path().filename().string().starts_with(kScratch)) continue;
      const int file = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
      if (file < 0) continue;
      if (::flock(file, LOCK_EX | LOCK_NB) == 0) remove(entry.path());
      ::close(file);
    }
    make(work);
    while (!fs::exists(path_)) {  // taken for one of a killed process before it was locked
      ::close(file_);
      make(work);
    }
  }
  ~Scratch() {
    remove(path_);
    ::close(file_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const noexcept { return path_; }

 private:
  void make(const fs::path& work) {
    std::string name = (work / kScratch).string() + "XXXXXX";
    if (::mkdtemp(name.data()) == nullptr)
      fail(errno == ENOSPC || errno == EDQUOT ? ErrorCode::ResourceExhausted : ErrorCode::Internal,
           "cannot make a folder in ", work.string(), ": ", std::strerror(errno));
    path_ = name;
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ >= 0) ::flock(file_, LOCK_EX);
  }
  static void remove(const fs::path& path) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }

  fs::path path_;
  int file_ = -1;
};

BoundArtifact bring(const Place& place, const Wanted& wanted, const RunOptions& options,
                    Store& store, HashCache& hashes) {
  const std::string location = place.name_of(wanted);
  Output output;
  output.file = wanted.name;
  output.sha256 = hashes.find(location, wanted.state());
  if (output.sha256.empty() || !fs::exists(store.artifact_path(output))) {
    options.on_event({{"event", "fetching"}, {"location", location}, {"bytes", wanted.bytes()}});
    const Scratch scratch(store.root() / "work");
    place.fetch(wanted, scratch.path());
    output.sha256 = hash_content(scratch.path() / wanted.name, nullptr, /*sync=*/true).sha256;
    make_read_only(scratch.path() / wanted.name);
    store.take_in(scratch.path() / wanted.name, output);
    hashes.remember(location, wanted.state(), output.sha256);
    hashes.save();  // whoever kills the run at the next one need not fetch this one again
  }
  return {store.artifact_path(output), output.sha256, location};
}

}  // namespace

std::vector<BoundArtifact> fetch_inputs(const std::string& location, const RunOptions& options,
                                        Store& store, HashCache& hashes) {
  const Place place(location, options.should_stop);
  std::vector<BoundArtifact> artifacts;
  for (const Wanted& wanted : place.find())
    artifacts.push_back(bring(place, wanted, options, store, hashes));
  return artifacts;
}

}  // namespace jetcal::pipeline
