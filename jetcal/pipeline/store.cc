// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <ctime>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/detail/remote_artifacts.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const int number = errno;
  if (file >= 0) ::close(file);
  if (!synced)
    fail(ErrorCode::Internal, "cannot sync ", folder.string(), ": ", std::strerror(number));
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return;
  const bool full = error == std::errc::no_space_on_device;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::InvalidArgument, "cannot make ",
       folder.string(), ": ", error.message());
}

Json files_to_json(const ContentHash& content) {
  Json files = Json::array();
  for (const FileHash& file : content.files)
    files.push_back({{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}});
  return files;
}

Output output_from_json(const Json& document) {
  Output output;
  output.type = find_type(document.at("type").get<std::string>()).value_or(Type::Artifact);
  output.sha256 = document.at("sha256");
  if (!is_artifact(output.type)) {
    output.value = document.at("value");
    return output;
  }
  output.file = document.at("file");
  output.content.sha256 = output.sha256;
  output.content.folder = document.at("folder");
  output.content.bytes = document.at("bytes");
  for (const Json& file : document.at("files"))
    output.content.files.push_back({file.at("path"), file.at("size"), file.at("sha256")});
  return output;
}

}  // namespace

Json to_json(const Output& output) {
  Json document = {{"type", type_name(output.type)}, {"sha256", output.sha256}};
  if (!is_artifact(output.type)) {
    document["value"] = output.value;
    return document;
  }
  document["file"] = output.file;
  document["folder"] = output.content.folder;
  document["bytes"] = output.content.bytes;
  document["files"] = files_to_json(output.content);
  return document;
}

Json to_json(const StepRecord& record) {
  Json outputs = Json::object();
  for (const auto& [name, output] : record.outputs) outputs[name] = to_json(output);
  return {{"key", record.key},
          {"pipeline", record.pipeline},
          {"step", record.step},
          {"run", record.run},
          {"started", record.started},
          {"finished", record.finished},
          {"seconds", record.seconds},
          {"attempts", record.attempts},
          {"jetcal", {{"version", record.version}, {"commit", record.commit}}},
          {"components", record.components},
          {"origins", record.origins},
          {"outputs", outputs}};
}

StepRecord record_from_json(const Json& document) {
  try {
    StepRecord record;
    record.key = document.at("key");
    record.pipeline = document.at("pipeline");
    record.step = document.at("step");
    record.run = document.at("run");
    record.started = document.at("started");
    record.finished = document.at("finished");
    record.seconds = document.at("seconds");
    record.attempts = document.at("attempts");
    record.version = document.at("jetcal").at("version");
    record.commit = document.at("jetcal").at("commit");
    record.components = document.at("components");
    record.origins = document.at("origins");
    for (const auto& [name, output] : document.at("outputs").items())
      record.outputs[name] = output_from_json(output);
    return record;
  } catch (const Json::exception& error) {
    fail(ErrorCode::DataLoss, "this is no record of a step: ", error.what());
  }
}

Store::Store(const fs::path& root) : root_(fs::absolute(root).lexically_normal()) {
  for (const char* name : {"artifacts", "steps", "work", "runs"}) make_folder(root_ / name);
}

Store::~Store() = default;
Store::Store(Store&&) noexcept = default;

void Store::use_remote(const std::string& location, bool publish) {
  if (!store::is_remote(location)) make_folder(location);
  remote_ = std::make_unique<RemoteArtifacts>(location);
  publishes_ = publish;
  remote_->check();
}

fs::path Store::work_folder(const std::string& key) const { return root_ / "work" / key; }
fs::path Store::run_folder(const std::string& run) const { return root_ / "runs" / run; }

fs::path Store::artifact_path(const Output& output) const {
  return root_ / "artifacts" / output.sha256 / output.file;
}

fs::path Store::record_path(const std::string& key) const {
  return root_ / "steps" / (key + ".json");
}

std::optional<StepRecord> Store::record(const std::string& key) const {
  const fs::path path = record_path(key);
  if (!fs::exists(path)) return std::nullopt;
  const Json document = Json::parse(read_file(path), nullptr, false);
  if (document.is_discarded()) return std::nullopt;
  return record_from_json(document);
}

std::optional<StepRecord> Store::find_here(const std::string& key) const {
  std::optional<StepRecord> found = record(key);
  if (!found) return std::nullopt;
  for (const auto& [name, output] : found->outputs) {
    if (is_artifact(output.type) && !fs::exists(artifact_path(output))) return std::nullopt;
  }
  return found;
}

std::optional<StepRecord> Store::find(const std::string& key) const {
  std::optional<StepRecord> here = find_here(key);
  if (!remote_) return here;
  std::optional<StepRecord> there = remote_->record(key);
  if (there && !remote_->has_artifacts(*there)) there.reset();
  if (here) {
    if (!there && publishes_) remote_->publish(*here, root_ / "artifacts");
    return here;
  }
  if (there) write_durably(record_path(key), to_json(*there).dump(1) + "\n");
  return there;
}

void Store::publish(const std::string& key) const {
  const std::optional<StepRecord> record = find_here(key);
  if (remote_ && record) remote_->publish(*record, root_ / "artifacts");
}

void Store::bring(const std::vector<Output>& outputs, const fs::path& scratch) {
  for (const Output& output : outputs) {
    if (!remote_ || fs::exists(artifact_path(output))) continue;
    std::error_code ignored;
    fs::remove_all(scratch, ignored);  // of a process that was killed
    try {
      remote_->fetch(output, scratch / output.file);
      make_read_only(scratch / output.file);
      take_in(scratch / output.file, output);
    } catch (...) {
      fs::remove_all(scratch, ignored);
      throw;
    }
    fs::remove_all(scratch, ignored);
  }
}

void Store::bring_records() {
  if (!remote_) return;
  for (const std::string& key : remote_->keys()) {
    if (fs::exists(record_path(key))) continue;
    if (const auto record = remote_->record(key))
      write_durably(record_path(key), to_json(*record).dump(1) + "\n");
  }
}

std::string Store::place_of(const Output& output) const {
  const fs::path here = artifact_path(output);
  return remote_ && !fs::exists(here) ? remote_->name_of(output) : here.string();
}

std::vector<StepRecord> Store::records(std::int64_t* damaged) const {
  std::vector<StepRecord> all;
  for (const fs::directory_entry& entry : fs::directory_iterator(root_ / "steps")) {
    if (entry.path().extension() != ".json") continue;
    try {
      const Json document = Json::parse(read_file(entry.path()), nullptr, false);
      if (document.is_discarded()) fail(ErrorCode::DataLoss, "no JSON: ", entry.path().string());
      all.push_back(record_from_json(document));
    } catch (const Error&) {
      if (damaged != nullptr) ++*damaged;
    }
  }
  return all;
}

void Store::take_in(const fs::path& from, const Output& output) {
  const fs::path target = artifact_path(output);
  make_folder(target.parent_path());
  std::error_code error;
  if (!fs::exists(target)) {
    fs::rename(from, target, error);
    if (error && !fs::exists(target))
      fail(error == std::errc::no_space_on_device ? ErrorCode::ResourceExhausted
                                                  : ErrorCode::Internal,
           "cannot keep ", target.string(), ": ", error.message());
  }
  sync_folder(target.parent_path());
  sync_folder(root_ / "artifacts");
}

void Store::finish(const StepRecord& record) {
  write_durably(record_path(record.key), to_json(record).dump(1) + "\n");
}

void Store::verify(const Output& output) const {
  const fs::path path = artifact_path(output);
  const ContentHash now = hash_content(path);
  if (now.sha256 == output.sha256) return;
  for (const FileHash& want : output.content.files) {
    const fs::path file = want.path.empty() ? path : path / want.path;
    if (!fs::exists(file) || sha256(read_file(file)) != want.sha256)
      fail(ErrorCode::DataLoss, "the artefact ", file.string(), " was changed after it was made");
  }
  fail(ErrorCode::DataLoss, "the artefact ", path.string(), " holds files that were added to it");
}

void make_read_only(const fs::path& path) {
  const auto no_writing = [](const fs::path& file) {
    std::error_code ignored;
    fs::permissions(file, fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write,
                    fs::perm_options::remove, ignored);
  };
  if (!fs::is_directory(path)) {
    no_writing(path);
    return;
  }
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) no_writing(entry.path());
  }
}

void write_durably(const fs::path& path, const std::string& text) {
  write_file(path, text);
  sync_folder(path.parent_path());
}

std::string time_now() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(now);
  const auto part = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(part));
  return text;
}

}  // namespace jetcal::pipeline
