// SPDX-License-Identifier: Apache-2.0
// What a config.pbtxt says: the fields of Triton's ModelConfig that jetcal acts on, and all of them
// as JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/engine/detail/batch_tensors.h"
#include "jetcal/engine/detail/scheduling.h"
#include "jetcal/engine/tensor.h"

namespace jetcal::engine::detail {

/// One request that is run before a model is ready.
struct Warmup {
  struct Input {
    std::string name;
    DataType type = DataType::Fp32;
    std::vector<std::int64_t> dims;  ///< Without the batch dimension.
    bool random = false;             ///< Else zeros, or the bytes of `file`.
    std::string file;                ///< In the folder `warmup` of the model.
  };
  std::string name;
  std::int64_t batch_size = 1, count = 1;
  std::vector<Input> inputs;
};

/// Which versions of a model are served.
struct VersionPolicy {
  enum class Kind { Latest, All, Specific } kind = Kind::Latest;
  std::int64_t num_versions = 1;       ///< Latest: this many of the highest.
  std::vector<std::int64_t> versions;  ///< Specific.
};

struct ServedModelConfig {
  std::string name, platform, backend;
  std::int64_t max_batch_size = 0;  ///< 0: the shapes have no batch dimension of the protocol's.
  std::vector<TensorSpec> inputs, outputs;  ///< Shapes without the batch dimension.
  BatchTensors batch_tensors;
  int graph_level = 0;  ///< -1 basic, 1 extended, 2 off, 0 all.
  std::map<std::string, std::string> parameters;
  std::string default_model_filename = "model.onnx";
  VersionPolicy version_policy;
  Scheduling scheduling;
  int instances = 1;                  ///< Worker threads, each with its own runner.
  std::vector<std::string> optional;  ///< Inputs that a request may leave out.
  std::vector<Warmup> warmups;
  bool native = false;  ///< jetcal's engine runs it: ragged requests are welcome.
  nlohmann::ordered_json given = nlohmann::ordered_json::object();  ///< Fields of the file.

  /// Everything with defaults filled in, as Triton's configuration extension prints it.
  nlohmann::ordered_json to_json() const;
};

/// Throws InvalidArgument naming file, line and field for a field that ModelConfig does not have or
/// a value of the wrong kind; Unimplemented for a field that jetcal cannot honour.
ServedModelConfig parse_config(std::string_view text, const std::string& source);
/// The same for a ModelConfig as JSON, as a load request brings it.
ServedModelConfig parse_config_json(const std::string& text, const std::string& source);

}  // namespace jetcal::engine::detail
