// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/repository.h"

#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is not in <cstdio>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <system_error>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/onnx/export.h"

namespace jetcal::onnx {

namespace fs = std::filesystem;

namespace {

// What the paper's servers were set to; larger requests are refused.
constexpr int kMaxBatchSize = 100000;

void write_tensor(std::ostream& out, const char* kind, const char* name, const std::string& dims,
                  bool ragged = false) {
  out << kind << " [ { name: \"" << name << "\" data_type: TYPE_FP32 dims: " << dims
      << (ragged ? " allow_ragged_batch: true" : "") << " } ]\n";
}

[[noreturn]] void fail_system(const std::string& what, const fs::path& path, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::Internal, "cannot ", what, " ",
       path.string(), ": ", std::strerror(number));
}

void check_name(const RepositoryOptions& options) {
  const std::string& name = options.name;
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
  });
  if (name.empty() || name.front() == '.' || !plain)
    fail(ErrorCode::InvalidArgument, "a model name is made of letters, digits, '_', '-' and '.': '",
         name, "'");
  if (options.version < 1)
    fail(ErrorCode::InvalidArgument, "a model version is at least 1, not ", options.version);
}

bool is_version(const std::string& folder) {
  return !folder.empty() && folder.front() != '0' && folder.size() < 18 &&
         std::all_of(folder.begin(), folder.end(), [](unsigned char c) { return std::isdigit(c); });
}

// Refuses to replace a version unless forced, and to make other versions unservable at all.
void check_existing(const fs::path& folder, const std::string& config,
                    const RepositoryOptions& options) {
  if (!fs::exists(folder)) return;
  const std::string replaced = std::to_string(options.version);
  std::int64_t highest = 0;
  bool others = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!is_version(name)) continue;
    highest = std::max<std::int64_t>(highest, std::stoll(name));
    others = others || name != replaced;
  }
  if (!options.force && fs::exists(folder / replaced))
    fail(ErrorCode::AlreadyExists, "version ", options.version, " of model '", options.name,
         "' is already in ", options.repository.string(), "; version ", highest + 1,
         " is free, --force replaces");
  if (others && fs::exists(folder / "config.pbtxt") && read_file(folder / "config.pbtxt") != config)
    fail(ErrorCode::FailedPrecondition, "other versions of model '", options.name, "' in ",
         options.repository.string(),
         " have another config.pbtxt, which all versions share; choose another name");
}

// Copies what the new folder shares with the old one; hard links, for weights can be large.
void keep_others(const fs::path& from, const fs::path& to, const std::string& replaced) {
  if (!fs::exists(from)) return;
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    const fs::path name = entry.path().filename();
    if (name == replaced || name == "config.pbtxt") continue;
    std::error_code error;
    const auto how = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
    fs::copy(entry.path(), to / name, how | fs::copy_options::create_hard_links, error);
    if (error) {
      fs::remove_all(to / name);
      fs::copy(entry.path(), to / name, how, error);
    }
    if (error) fail_system("copy", entry.path(), error.value());
  }
}

// Puts `stage` in the place of `target` in one step.
void exchange(const fs::path& stage, const fs::path& target) {
  if (!fs::exists(target)) {
    std::error_code error;
    fs::rename(stage, target, error);
    if (error) fail_system("write", target, error.value());
    return;
  }
  if (::renameat2(AT_FDCWD, stage.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
    fs::remove_all(stage);  // now the old folder
    return;
  }
  if (errno != EINVAL && errno != ENOSYS) fail_system("write", target, errno);
  // A file system that cannot exchange: the model is missing between these two steps.
  fs::path old = stage;
  old += ".old";
  fs::rename(target, old);
  fs::rename(stage, target);
  fs::remove_all(old);
}

/// A folder that is removed unless it was moved away.
class Stage {
 public:
  explicit Stage(fs::path path) : path_(std::move(path)) {
    std::error_code error;
    fs::remove_all(path_, error);  // left by a process that was killed
    fs::create_directories(path_, error);
    if (error) fail_system("make", path_, error.value());
  }
  ~Stage() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

}  // namespace

std::string config_text(const models::ModelConfig& config, const std::string& name,
                        bool triton_backend) {
  const bool particle_net = config.network == models::Network::ParticleNet;
  std::ostringstream out;
  out << "name: \"" << name << "\"\n"
      << (triton_backend ? "backend: \"jetcal\"" : "platform: \"onnxruntime_onnx\"")
      << "\nmax_batch_size: " << kMaxBatchSize << "\n";
  if (particle_net) write_tensor(out, "input", "pf_points", "[ 2, -1 ]", triton_backend);
  const auto size = [](std::int64_t features) { return std::to_string(features); };
  write_tensor(out, "input", "pf_features",
               "[ " + size(edm::num_particle_features(config.inputs())) + ", -1 ]", triton_backend);
  write_tensor(out, "input", "pf_mask", "[ 1, -1 ]", triton_backend);
  write_tensor(out, "input", "jet_features",
               "[ " + size(edm::num_jet_features(config.inputs())) + " ]");
  write_tensor(out, "output", "output", "[ 1 ]");
  if (models::has_resolution(config)) write_tensor(out, "output", "resolution", "[ 1 ]");
  if (triton_backend)
    out << "dynamic_batching { }\ninstance_group [ { kind: KIND_CPU count: 1 } ]\n";
  out << "optimization { graph { level: " << (particle_net ? -1 : 1) << " } }\n";
  // Tells clients which particles the network was trained on; Triton passes it through.
  out << "parameters { key: \"jetcal_input_mode\" value { string_value: \""
      << edm::input_mode_name(config.input_mode) << "\" } }\n";
  const models::ModelConfig plain;
  const auto parameter = [&out](const char* key, std::string_view value) {
    out << "parameters { key: \"" << key << "\" value { string_value: \"" << value << "\" } }\n";
  };
  if (config.features != plain.features)
    parameter("jetcal_features", edm::feature_set_name(config.features));
  if (config.target != plain.target) parameter("jetcal_target", edm::reference_name(config.target));
  return out.str();
}

void check_repository(const models::ModelConfig& config, const RepositoryOptions& options) {
  check_name(options);
  check_existing(options.repository / options.name,
                 config_text(config, options.name, options.triton_backend), options);
}

fs::path write_repository(const models::Model& model, const RepositoryOptions& options) {
  check_repository(model.config, options);
  const fs::path target = options.repository / options.name;
  const std::string version = std::to_string(options.version);
  const std::string config = config_text(model.config, options.name, options.triton_backend);

  // Hidden names are no models to a server that polls the repository.
  const Stage stage(options.repository / ("." + options.name + ".part"));
  keep_others(target, stage.path(), version);
  write_file(stage.path() / "config.pbtxt", config);
  export_model(model, stage.path() / version / "model.onnx");
  models::save_model(model, stage.path() / version / "model.jetcal");
  exchange(stage.path(), target);
  return target / version;
}

}  // namespace jetcal::onnx
