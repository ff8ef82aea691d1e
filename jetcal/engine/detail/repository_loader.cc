// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/repository_loader.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "jetcal/base/files.h"
#include "jetcal/engine/detail/onnx_metadata.h"
#include "jetcal/models/model.h"

namespace jetcal::engine::detail {

namespace fs = std::filesystem;

namespace {

// Version folders are whole numbers from 1 without leading zeros, as in Triton.
std::optional<std::int64_t> version_of(const std::string& folder) {
  std::int64_t version = 0;
  const auto [rest, error] = std::from_chars(folder.data(), folder.data() + folder.size(), version);
  if (error != std::errc() || *rest != '\0' || folder.front() == '0' || version < 1)
    return std::nullopt;
  return version;
}

std::vector<std::int64_t> served_versions(const fs::path& folder, const VersionPolicy& policy) {
  std::set<std::int64_t> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    if (const auto version = version_of(entry.path().filename().string())) found.insert(*version);
  }
  std::vector<std::int64_t> versions(found.begin(), found.end());
  if (policy.kind == VersionPolicy::Kind::All) return versions;
  if (policy.kind == VersionPolicy::Kind::Specific) {
    versions = policy.versions;  // one that is absent is reported when it does not load
    std::sort(versions.begin(), versions.end());
    return versions;
  }
  const auto keep = static_cast<std::size_t>(std::max<std::int64_t>(policy.num_versions, 0));
  if (versions.size() > keep) versions.erase(versions.begin(), versions.end() - keep);
  return versions;
}

ServedModelConfig read_config(const fs::path& folder) {
  const std::string name = folder.filename().string();
  const fs::path file = folder / "config.pbtxt";
  ServedModelConfig config;
  if (fs::exists(file)) config = parse_config(read_file(file), name + "/config.pbtxt");
  if (config.name.empty()) config.name = name;
  if (config.name != name)
    fail(ErrorCode::InvalidArgument, name, "/config.pbtxt names the model '", config.name,
         "', but its folder is '", name, "'");
  return config;
}

int integer_parameter(const ServedModelConfig& config, const std::string& key, int fallback) {
  const auto found = config.parameters.find(key);
  if (found == config.parameters.end()) return fallback;
  int value = 0;
  const std::string& text = found->second;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || *rest != '\0' || value < 0)
    fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt: the parameter '", key,
         "' is not a whole number: '", text, "'");
  return value;
}

GraphOptimization optimization(int level) {
  switch (level) {
    case -1:
      return GraphOptimization::Basic;
    case 1:
      return GraphOptimization::Extended;
    case 2:
      return GraphOptimization::Off;
    default:
      return GraphOptimization::All;
  }
}

std::unique_ptr<Runner> make_onnx(const fs::path& file, const ServedModelConfig& config,
                                  const EngineOptions& options) {
  OnnxSessionOptions session;
  session.optimization = optimization(config.graph_level);
  session.threads = integer_parameter(config, "intra_op_thread_count", options.onnx_threads);
  session.memory_arena = integer_parameter(config, "enable_mem_arena", 1) != 0;
  return make_onnx_runner(OnnxSession(file, session));
}

// Native where the weights beside the ONNX file are those it was made from; `note` says why not.
std::unique_ptr<Runner> make_runner(const fs::path& folder, const ServedModelConfig& config,
                                    const EngineOptions& options, std::string& note) {
  const fs::path onnx_file = folder / config.default_model_filename;
  const fs::path native_file = folder / "model.jetcal";
  const auto forced = config.parameters.find("engine");
  if (forced != config.parameters.end() && forced->second != "onnxruntime" &&
      forced->second != "native")
    fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt: the parameter 'engine' is '",
         forced->second, "', not native or onnxruntime");
  const bool want_onnx = forced != config.parameters.end() && forced->second == "onnxruntime";
  const bool want_native = forced != config.parameters.end() && forced->second == "native";
  if (want_onnx || (!want_native && !fs::exists(native_file))) {
    if (want_onnx) note = "config.pbtxt asks for ONNX Runtime";
    return make_onnx(onnx_file, config, options);
  }
  const models::Model model = models::load_model(native_file);
  if (!fs::exists(onnx_file)) return make_native_runner(model);
  const std::string fingerprint = models::fingerprint(model);
  const std::string exported = read_onnx_metadata(onnx_file)["fingerprint"];
  if (fingerprint == exported) return make_native_runner(model);
  const std::string mismatch = "model.jetcal (" + fingerprint + ") is not what " +
                               config.default_model_filename + " was made from (" +
                               (exported.empty() ? "no fingerprint" : exported) + ")";
  if (want_native) fail(ErrorCode::FailedPrecondition, mismatch);
  note = mismatch + ", so ONNX Runtime runs it";
  return make_onnx(onnx_file, config, options);
}

// Compares one list of tensors of config.pbtxt with the model's, or takes the model's.
void match(std::vector<TensorSpec>& configured, const std::vector<TensorSpec>& actual,
           const ServedModelConfig& config, const char* kind, bool all_needed) {
  const bool batched = config.max_batch_size > 0;
  if (configured.empty()) {
    configured = actual;
    for (TensorSpec& spec : configured) {
      if (batched && !spec.shape.empty()) spec.shape.erase(spec.shape.begin());
    }
    return;
  }
  if (all_needed && configured.size() != actual.size())
    fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt lists ", configured.size(), " ",
         kind, "s, the model has ", actual.size());
  for (const TensorSpec& want : configured) {
    const auto found = std::find_if(actual.begin(), actual.end(),
                                    [&](const TensorSpec& spec) { return spec.name == want.name; });
    if (found == actual.end())
      fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt lists the ", kind, " '",
           want.name, "', which the model does not have");
    std::vector<std::int64_t> shape = want.shape;
    if (batched) shape.insert(shape.begin(), -1);
    const bool same_shape =
        std::equal(shape.begin(), shape.end(), found->shape.begin(), found->shape.end(),
                   [](std::int64_t a, std::int64_t b) { return a == b || a == -1 || b == -1; });
    if (want.type != found->type || !same_shape)
      fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt gives the ", kind, " '",
           want.name, "' as ", data_type_name(want.type), " ", shape_text(shape),
           ", the model has ", data_type_name(found->type), " ", shape_text(found->shape));
  }
}

LoadedVersion load_version(const fs::path& folder, ServedModelConfig config, std::int64_t version,
                           const EngineOptions& options) {
  LoadedVersion loaded;
  loaded.state.name = config.name;
  loaded.state.version = std::to_string(version);
  try {
    const fs::path version_folder = folder / loaded.state.version;
    std::unique_ptr<Runner> runner =
        make_runner(version_folder, config, options, loaded.state.reason);
    // Our own networks say themselves how large a batch may be when nobody else does.
    if (config.given.empty() && runner->engine() == "native") config.max_batch_size = 100000;
    if (config.platform.empty() && config.backend.empty()) config.platform = "onnxruntime_onnx";
    match(config.inputs, runner->inputs(), config, "input", true);
    match(config.outputs, runner->outputs(), config, "output", false);
    loaded.state.engine = runner->engine();
    loaded.model = std::make_unique<ModelVersion>(std::move(config), loaded.state.version,
                                                  std::move(runner), options.max_queue_size);
    loaded.state.ready = true;
  } catch (const Error& error) {
    loaded.state.reason = error.what();
  } catch (const std::bad_alloc&) {
    loaded.state.reason = "out of memory";
  }
  return loaded;
}

void load_model(const fs::path& folder, const EngineOptions& options,
                std::vector<LoadedVersion>& loaded) {
  ModelState broken;
  broken.name = folder.filename().string();
  try {
    const ServedModelConfig config = read_config(folder);
    const std::vector<std::int64_t> versions = served_versions(folder, config.version_policy);
    for (const std::int64_t version : versions)
      loaded.push_back(load_version(folder, config, version, options));
    if (!versions.empty()) return;
    broken.reason = "the model has no version folder such as " + broken.name + "/1";
  } catch (const Error& error) {
    broken.reason = error.what();
  }
  loaded.push_back({broken, nullptr});
}

}  // namespace

std::vector<LoadedVersion> load_repository(const EngineOptions& options) {
  if (!fs::is_directory(options.repository))
    fail(ErrorCode::NotFound,
         "the model repository is not a folder: ", options.repository.string());
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(options.repository)) {
    // Hidden folders are exports under way.
    if (entry.is_directory() && entry.path().filename().string().front() != '.')
      folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  std::vector<LoadedVersion> loaded;
  for (const fs::path& folder : folders) load_model(folder, options, loaded);
  return loaded;
}

}  // namespace jetcal::engine::detail
