// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/repository_loader.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "jetcal/base/files.h"
#include "jetcal/base/number.h"
#include "jetcal/base/random.h"
#include "jetcal/engine/detail/request_check.h"
#include "jetcal/engine/onnx_metadata.h"
#include "jetcal/models/model.h"

namespace jetcal::engine::detail {

namespace fs = std::filesystem;

namespace {

// Version folders are whole numbers from 1 without leading zeros, as in Triton.
std::optional<std::int64_t> version_of(const std::string& folder) {
  const std::optional<std::int64_t> version = parse_number<std::int64_t>(folder);
  if (!version || *version < 1 || folder.front() == '0') return std::nullopt;
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

ServedModelConfig read_config(const fs::path& folder, const std::string& name,
                              const std::string& override) {
  const fs::path file = folder / "config.pbtxt";
  ServedModelConfig config;
  if (!override.empty()) {
    config = parse_config_json(override, "the configuration of the load request");
  } else if (fs::exists(file)) {
    config = parse_config(read_file(file), name + "/config.pbtxt");
  }
  if (config.name.empty()) config.name = name;
  if (config.name != name)
    fail(ErrorCode::InvalidArgument, name, "/config.pbtxt names the model '", config.name,
         "', but its folder is '", name, "'");
  return config;
}

int integer_parameter(const ServedModelConfig& config, const std::string& key, int fallback) {
  const auto found = config.parameters.find(key);
  if (found == config.parameters.end()) return fallback;
  const std::optional<int> value = parse_number<int>(found->second);
  if (!value || *value < 0)
    fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt: the parameter '", key,
         "' is not a whole number: '", found->second, "'");
  return *value;
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
  if (config.parameters.contains("precision"))
    fail(ErrorCode::InvalidArgument, config.name,
         "/config.pbtxt: the parameter 'precision' is for jetcal's own forward pass, but ONNX "
         "Runtime has to run this model");
  OnnxSessionOptions session;
  session.optimization = optimization(config.graph_level);
  session.threads = integer_parameter(config, "intra_op_thread_count", options.onnx_threads);
  session.memory_arena = integer_parameter(config, "enable_mem_arena", 1) != 0;
  return make_onnx_runner(OnnxSession(file, session), config.batch_tensors);
}

std::unique_ptr<Runner> make_native(const models::Model& model, const ServedModelConfig& config) {
  const auto precision = config.parameters.find("precision");
  if (precision == config.parameters.end()) return make_native_runner(model, {});
  try {
    return make_native_runner(model, models::predictor_options(precision->second));
  } catch (const Error& error) {
    fail(error.code(), config.name, "/config.pbtxt: ", error.what());
  }
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
  if (!fs::exists(onnx_file)) return make_native(model, config);
  const std::string fingerprint = models::fingerprint(model);
  const std::string exported = read_onnx_metadata(onnx_file)["fingerprint"];
  if (fingerprint == exported) return make_native(model, config);
  const std::string mismatch = "model.jetcal (" + fingerprint + ") is not what " +
                               config.default_model_filename + " was made from (" +
                               (exported.empty() ? "no fingerprint" : exported) + ")";
  if (want_native) fail(ErrorCode::FailedPrecondition, mismatch);
  note = mismatch + ", so ONNX Runtime runs it";
  return make_onnx(onnx_file, config, options);
}

// The inputs that clients send; those that the server fills in must be as the configuration says.
std::vector<TensorSpec> sent_inputs(std::vector<TensorSpec> actual,
                                    const ServedModelConfig& config) {
  for (const BatchInput& input : config.batch_tensors.inputs) {
    for (const std::string& target : input.targets) {
      const auto found = std::find_if(actual.begin(), actual.end(),
                                      [&](const TensorSpec& spec) { return spec.name == target; });
      if (found == actual.end())
        fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt fills the batch_input '",
             target, "', which the model does not have");
      if (found->type != input.type || found->shape.size() != batch_input_rank(input.kind))
        fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt fills the batch_input '",
             target, "' with ", data_type_name(input.type), " of ", batch_input_rank(input.kind),
             " dimensions, the model has ", data_type_name(found->type), " ",
             shape_text(found->shape));
      actual.erase(found);
    }
  }
  return actual;
}

// As the model gets it: ragged inputs and divided outputs are the elements of all requests in a
// row.
std::vector<std::int64_t> shape_in_model(const TensorSpec& spec, const ServedModelConfig& config) {
  const BatchTensors& tensors = config.batch_tensors;
  if (!config.native && (tensors.is_ragged(spec.name) || tensors.find_output(spec.name) != nullptr))
    return {-1};
  std::vector<std::int64_t> shape = spec.shape;
  if (config.max_batch_size > 0) shape.insert(shape.begin(), -1);
  return shape;
}

// Sets sizes that the configuration leaves open and the network does not: it reads by them.
void close_sizes(TensorSpec& spec, std::span<const std::int64_t> in_model, bool batched) {
  const std::size_t skipped = batched ? 1 : 0;
  for (std::size_t i = 0; i < spec.shape.size(); ++i) {
    if (spec.shape[i] == -1) spec.shape[i] = in_model[i + skipped];
  }
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
  for (TensorSpec& want : configured) {
    const auto found = std::find_if(actual.begin(), actual.end(),
                                    [&](const TensorSpec& spec) { return spec.name == want.name; });
    if (found == actual.end())
      fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt lists the ", kind, " '",
           want.name, "', which the model does not have");
    const std::vector<std::int64_t> shape = shape_in_model(want, config);
    const bool same_shape =
        std::equal(shape.begin(), shape.end(), found->shape.begin(), found->shape.end(),
                   [](std::int64_t a, std::int64_t b) { return a == b || a == -1 || b == -1; });
    if (want.type != found->type || !same_shape)
      fail(ErrorCode::InvalidArgument, config.name, "/config.pbtxt gives the ", kind, " '",
           want.name, "' as ", data_type_name(want.type), " ", shape_text(shape),
           ", the model has ", data_type_name(found->type), " ", shape_text(found->shape));
    if (config.native) close_sizes(want, found->shape, batched);
  }
}

void fill_random(Tensor& tensor) {
  Rng rng(1);
  const std::size_t size = data_type_size(tensor.type);
  for (std::size_t at = 0; at + size <= tensor.data.size(); at += size) {
    const double value = rng.uniform();
    const auto narrow = static_cast<float>(value);
    if (tensor.type == DataType::Fp32) {
      std::memcpy(tensor.data.data() + at, &narrow, size);
    } else {
      std::memcpy(tensor.data.data() + at, &value, size);
    }
  }
}

// Runs the model on made-up requests, so that the first real one finds everything in place.
void warm_up(const ServedModelConfig& config, const fs::path& folder, Runner& runner) {
  for (const Warmup& warmup : config.warmups) {
    std::vector<Tensor> tensors;
    for (const Warmup::Input& input : warmup.inputs) {
      Tensor tensor{input.name, input.type, input.dims, {}};
      if (config.max_batch_size > 0) tensor.shape.insert(tensor.shape.begin(), warmup.batch_size);
      const auto count = element_count(tensor.shape).value_or(0);
      tensor.data.resize(static_cast<std::size_t>(count) * data_type_size(input.type));
      if (!input.file.empty()) {
        const std::string bytes = read_file(folder / "warmup" / input.file);
        if (bytes.size() != tensor.data.size())
          fail(ErrorCode::InvalidArgument, "model_warmup '", warmup.name, "': the file ",
               input.file, " has ", bytes.size(), " bytes, input '", input.name, "' needs ",
               tensor.data.size());
        std::memcpy(tensor.data.data(), bytes.data(), bytes.size());
      } else if (input.random && (input.type == DataType::Fp32 || input.type == DataType::Fp64)) {
        fill_random(tensor);
      }
      tensors.push_back(std::move(tensor));
    }
    InferRequest request;
    request.model = config.name;
    for (const Tensor& tensor : tensors) request.inputs.push_back(tensor.view());
    const std::int64_t batch_size = check_request(request, config).value();
    const RunRequest run{request.inputs, request.outputs, batch_size};
    RunTimes times;
    for (std::int64_t i = 0; i < warmup.count; ++i) runner.run({&run, 1}, times);
  }
}

LoadedVersion load_version(const fs::path& folder, ServedModelConfig config, std::int64_t version,
                           const EngineOptions& options, DeadlineTimer& timer) {
  LoadedVersion loaded;
  loaded.state.name = config.name;
  loaded.state.version = std::to_string(version);
  try {
    const fs::path version_folder = folder / loaded.state.version;
    std::vector<std::unique_ptr<Runner>> runners;
    runners.push_back(make_runner(version_folder, config, options, loaded.state.reason));
    Runner& first = *runners.front();
    config.native = first.engine() == "native";
    const BatchTensors& tensors = config.batch_tensors;
    if (config.native && (!tensors.inputs.empty() || !tensors.outputs.empty()))
      fail(ErrorCode::Unimplemented, config.name,
           "/config.pbtxt has batch_input or batch_output, which jetcal's own networks do without");
    // Our own networks say themselves how large a batch may be when nobody else does.
    if (config.given.empty() && config.native) {
      config.max_batch_size = 100000;
    }
    // A jet gets the same bits in every batch, so waiting requests are joined unless told
    // otherwise.
    const auto joined = config.parameters.find("dynamic_batching");
    const bool off = joined != config.parameters.end() && joined->second == "off";
    if (config.native && config.max_batch_size > 1) config.scheduling.batching = !off;
    if (config.platform.empty() && config.backend.empty()) config.platform = "onnxruntime_onnx";
    match(config.inputs, sent_inputs(first.inputs(), config), config, "input", true);
    match(config.outputs, first.outputs(), config, "output", false);
    warm_up(config, folder, first);
    while (static_cast<int>(runners.size()) < config.instances) runners.push_back(first.clone());
    loaded.state.engine = first.engine();
    const QueueLimits limits{config.max_batch_size, options.max_batch_elements,
                             options.max_queue_size};
    loaded.model = std::make_shared<ModelVersion>(std::move(config), loaded.state.version,
                                                  std::move(runners), limits, timer);
    loaded.state.ready = true;
  } catch (const Error& error) {
    loaded.state.reason = error.what();
  } catch (const std::bad_alloc&) {
    loaded.state.reason = "out of memory";
  } catch (const std::exception& error) {  // of the file system, or JSON of another kind
    loaded.state.reason = error.what();
  }
  return loaded;
}

}  // namespace

std::vector<LoadedVersion> load_model(const fs::path& folder, const std::string& name,
                                      const std::string& override, const EngineOptions& options,
                                      DeadlineTimer& timer) {
  std::vector<LoadedVersion> loaded;
  LoadedVersion broken;
  broken.state.name = name;
  try {
    const ServedModelConfig config = read_config(folder, name, override);
    const std::vector<std::int64_t> versions = served_versions(folder, config.version_policy);
    for (const std::int64_t version : versions)
      loaded.push_back(load_version(folder, config, version, options, timer));
    if (!versions.empty()) return loaded;
    broken.state.reason = "the model has no version folder such as " + name + "/1";
  } catch (const std::exception& error) {
    broken.state.reason = error.what();
  }
  loaded.push_back(std::move(broken));
  return loaded;
}

std::vector<std::string> model_folders(const fs::path& repository) {
  if (!fs::is_directory(repository))
    fail(ErrorCode::NotFound, "the model repository is not a folder: ", repository.string());
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(repository)) {
    // Hidden folders are exports under way.
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && name.front() != '.') names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace jetcal::engine::detail
