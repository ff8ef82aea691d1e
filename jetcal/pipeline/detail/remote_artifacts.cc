// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/remote_artifacts.h"

#include <signal.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/stop.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

std::string record_name(const std::string& key) { return "steps/" + key + ".json"; }

std::string folder_of(const Output& output) { return "artifacts/" + output.sha256 + "/"; }

// The object of one file of an artefact.
std::string object_of(const Output& output, const FileHash& file) {
  const std::string whole = folder_of(output) + output.file;
  return file.path.empty() ? whole : whole + "/" + file.path;
}

// The process that watches a step blocks its signals and looks for them itself.
bool stop_came() {
  sigset_t waiting;
  sigemptyset(&waiting);
  ::sigpending(&waiting);
  return stop_requested() || sigismember(&waiting, SIGTERM) == 1 ||
         sigismember(&waiting, SIGINT) == 1;
}

}  // namespace

RemoteArtifacts::RemoteArtifacts(std::string location) : location_(std::move(location)) { place(); }

RemoteArtifacts::~RemoteArtifacts() {
  if (owner_ != ::getpid()) static_cast<void>(place_.release());
}

const store::ObjectStore& RemoteArtifacts::place() const {
  if (owner_ == ::getpid()) return *place_;
  // The connections of the parent are not this process's to close.
  static_cast<void>(place_.release());
  place_ = store::open_object_store(location_, stop_came);
  owner_ = ::getpid();
  return *place_;
}

void RemoteArtifacts::check() const { static_cast<void>(place().head("steps/any.json")); }

std::optional<StepRecord> RemoteArtifacts::record(const std::string& key) const {
  if (!place().head(record_name(key))) return std::nullopt;
  const Json document = Json::parse(place().get(record_name(key)), nullptr, false);
  try {
    return record_from_json(document);
  } catch (const Error&) {  // damaged, or of a version that is not known: as if it were not there
    return std::nullopt;
  }
}

bool RemoteArtifacts::has(const Output& output) const {
  std::map<std::string, std::uint64_t> there;
  for (const store::ObjectInfo& object : place().list(folder_of(output)))
    there[object.name] = static_cast<std::uint64_t>(object.bytes);
  for (const FileHash& file : output.content.files) {
    const auto found = there.find(object_of(output, file));
    if (found == there.end() || found->second != file.size) return false;
  }
  return true;
}

bool RemoteArtifacts::has_artifacts(const StepRecord& record) const {
  for (const auto& [name, output] : record.outputs) {
    if (is_artifact(output.type) && !has(output)) return false;
  }
  return true;
}

void RemoteArtifacts::publish(const StepRecord& record, const fs::path& artifacts) const {
  for (const auto& [name, output] : record.outputs) {
    if (!is_artifact(output.type) || has(output)) continue;
    const fs::path path = artifacts / output.sha256 / output.file;
    for (const FileHash& file : output.content.files)
      place().put_file(object_of(output, file), file.path.empty() ? path : path / file.path);
  }
  place().put(record_name(record.key), to_json(record).dump(1) + "\n");
}

void RemoteArtifacts::fetch(const Output& output, const fs::path& target) const {
  if (output.content.folder) fs::create_directories(target);
  for (const FileHash& file : output.content.files)
    place().get_to_file(object_of(output, file), file.path.empty() ? target : target / file.path);
  if (hash_content(target, nullptr, /*sync=*/true).sha256 != output.sha256)
    fail(ErrorCode::DataLoss, "the artefact ", name_of(output), " was changed after it was made");
}

std::vector<std::string> RemoteArtifacts::keys() const {
  constexpr std::string_view kFolder = "steps/", kEnding = ".json";
  std::vector<std::string> all;
  for (const store::ObjectInfo& object : place().list(std::string(kFolder))) {
    if (!object.name.ends_with(kEnding)) continue;
    all.push_back(
        object.name.substr(kFolder.size(), object.name.size() - kFolder.size() - kEnding.size()));
  }
  return all;
}

std::string RemoteArtifacts::name_of(const Output& output) const {
  return place().name_of(folder_of(output) + output.file);
}

}  // namespace jetcal::pipeline
