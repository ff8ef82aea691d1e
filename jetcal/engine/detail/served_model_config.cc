// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/served_model_config.h"

#include <algorithm>

#include "jetcal/base/bounded_json.h"
#include "jetcal/base/error.h"
#include "jetcal/engine/detail/config_schema.h"
#include "jetcal/engine/detail/text_format.h"

namespace jetcal::engine::detail {
namespace {

using nlohmann::ordered_json;

std::vector<TensorSpec> read_tensors(const ordered_json& config, const char* kind,
                                     const std::string& source) {
  std::vector<TensorSpec> specs;
  if (!config.contains(kind)) return specs;
  for (const ordered_json& entry : config[kind]) {
    TensorSpec spec;
    spec.name = entry.value("name", "");
    if (spec.name.empty()) fail(ErrorCode::InvalidArgument, source, ": an ", kind, " has no name");
    const std::string type = entry.value("data_type", "");
    const auto known = parse_data_type(type);
    if (!known || !type.starts_with("TYPE_"))
      fail(ErrorCode::InvalidArgument, source, ": the ", kind, " '", spec.name,
           "' has the unknown data_type '", type, "'");
    spec.type = *known;
    for (const ordered_json& size : entry.value("dims", ordered_json::array())) {
      spec.shape.push_back(size.get<std::int64_t>());
      if (spec.shape.back() < -1 || spec.shape.back() == 0)
        fail(ErrorCode::InvalidArgument, source, ": the ", kind, " '", spec.name,
             "' has a dimension ", spec.shape.back());
    }
    if (entry.value("is_shape_tensor", false))
      fail(ErrorCode::Unimplemented, source, ": the ", kind, " '", spec.name,
           "' sets is_shape_tensor, which jetcal cannot do");
    if (!entry.value("label_filename", "").empty())
      fail(ErrorCode::Unimplemented, source, ": the ", kind, " '", spec.name,
           "' names a label_filename: jetcal gives classes without labels");
    specs.push_back(std::move(spec));
  }
  return specs;
}

VersionPolicy read_version_policy(const ordered_json& config, const std::string& source) {
  VersionPolicy policy;
  if (!config.contains("version_policy")) return policy;
  const ordered_json& given = config["version_policy"];
  if (given.size() != 1)
    fail(ErrorCode::InvalidArgument, source,
         ": version_policy wants one of latest, all and specific");
  if (given.contains("all")) {
    policy.kind = VersionPolicy::Kind::All;
  } else if (given.contains("specific")) {
    policy.kind = VersionPolicy::Kind::Specific;
    policy.versions = given["specific"].value("versions", std::vector<std::int64_t>{});
  } else {
    policy.num_versions = given["latest"].value("num_versions", std::int64_t{1});
  }
  return policy;
}

constexpr int kMaxInstances = 64;

// Adds up the groups; an instance on a GPU is refused.
int read_instances(const ordered_json& config, const std::string& source) {
  std::int64_t sum = 0;
  for (const ordered_json& group : config.value("instance_group", ordered_json::array())) {
    const std::string kind = group.value("kind", "KIND_AUTO");
    if (kind != "KIND_AUTO" && kind != "KIND_CPU" && kind != "KIND_GPU" && kind != "KIND_MODEL")
      fail(ErrorCode::InvalidArgument, source, ": an instance_group has the unknown kind ", kind);
    if (kind == "KIND_GPU" || group.value("passive", false))
      fail(ErrorCode::Unimplemented, source, ": an instance_group of ",
           kind == "KIND_GPU" ? "KIND_GPU" : "passive instances",
           " asks for what this server cannot do");
    const auto count = group.value("count", std::int64_t{1});
    if (count < 0 || count > kMaxInstances)
      fail(ErrorCode::InvalidArgument, source, ": an instance_group has count ", count);
    sum += std::max<std::int64_t>(count, 1);
  }
  if (sum > kMaxInstances)
    fail(ErrorCode::InvalidArgument, source, ": ", sum, " instances are more than ", kMaxInstances);
  return static_cast<int>(std::max<std::int64_t>(sum, 1));
}

std::vector<Warmup> read_warmups(const ordered_json& config, const std::string& source) {
  std::vector<Warmup> warmups;
  for (const ordered_json& entry : config.value("model_warmup", ordered_json::array())) {
    Warmup warmup;
    warmup.name = entry.value("name", "");
    warmup.batch_size = std::max<std::int64_t>(entry.value("batch_size", std::int64_t{0}), 1);
    warmup.count = std::max<std::int64_t>(entry.value("count", std::int64_t{1}), 1);
    const ordered_json inputs = entry.value("inputs", ordered_json::object());
    for (const auto& [name, input] : inputs.items()) {
      Warmup::Input given;
      given.name = name;
      const auto type = parse_data_type(input.value("data_type", ""));
      if (!type || *type == DataType::Bytes)
        fail(ErrorCode::InvalidArgument, source, ": model_warmup '", warmup.name, "' gives input '",
             name, "' no data_type of numbers");
      given.type = *type;
      given.dims = input.value("dims", std::vector<std::int64_t>{});
      given.random = input.value("random_data", false);
      given.file = input.value("input_data_file", "");
      if (given.file.find("..") != std::string::npos || !element_count(given.dims))
        fail(ErrorCode::InvalidArgument, source, ": model_warmup '", warmup.name, "' gives input '",
             name, "' dims or a file that cannot be used");
      warmup.inputs.push_back(std::move(given));
    }
    warmups.push_back(std::move(warmup));
  }
  return warmups;
}

ordered_json tensor_json(const TensorSpec& spec, bool input, bool optional, bool ragged) {
  ordered_json out;
  out["name"] = spec.name;
  out["data_type"] = spec.type == DataType::Bytes
                         ? "TYPE_STRING"
                         : "TYPE_" + std::string(data_type_name(spec.type));
  if (input) out["format"] = "FORMAT_NONE";
  out["dims"] = spec.shape;
  if (!input) out["label_filename"] = "";
  out["is_shape_tensor"] = false;
  if (input) {
    out["allow_ragged_batch"] = ragged;
    out["optional"] = optional;
  }
  out["is_non_linear_format_io"] = false;
  return out;
}

}  // namespace

static ServedModelConfig read_config(ordered_json document, const std::string& source) {
  ServedModelConfig config;
  config.given = std::move(document);
  const ordered_json& given = config.given;
  config.name = given.value("name", "");
  config.platform = given.value("platform", "");
  config.backend = given.value("backend", "");
  config.max_batch_size = given.value("max_batch_size", std::int64_t{0});
  if (config.max_batch_size < 0)
    fail(ErrorCode::InvalidArgument, source, ": max_batch_size is negative");
  config.inputs = read_tensors(given, "input", source);
  config.outputs = read_tensors(given, "output", source);
  config.batch_tensors = read_batch_tensors(given, config.inputs, config.outputs, source);
  config.version_policy = read_version_policy(given, source);
  config.default_model_filename = given.value("default_model_filename", "model.onnx");
  if (config.default_model_filename.find('/') != std::string::npos)
    fail(ErrorCode::InvalidArgument, source, ": default_model_filename is not a plain file name");
  if (given.contains("optimization") && given["optimization"].contains("graph"))
    config.graph_level = given["optimization"]["graph"].value("level", 0);
  if (given.contains("parameters")) {
    for (const auto& [key, value] : given["parameters"].items())
      config.parameters[key] = value.value("string_value", "");
  }
  if (given.contains("model_transaction_policy") &&
      given["model_transaction_policy"].value("decoupled", false))
    fail(ErrorCode::Unimplemented, source, ": decoupled models are not served");
  config.scheduling = read_scheduling(given, config.max_batch_size, source);
  config.instances = read_instances(given, source);
  config.warmups = read_warmups(given, source);
  for (const ordered_json& input : given.value("input", ordered_json::array())) {
    if (input.value("optional", false)) config.optional.push_back(input.value("name", ""));
  }
  return config;
}

ServedModelConfig parse_config(std::string_view text, const std::string& source) {
  return read_config(config_to_json(parse_text_format(text, source), source), source);
}

ServedModelConfig parse_config_json(const std::string& text, const std::string& source) {
  // Copying or printing a value goes as deep as it is nested; the stack must hold that.
  constexpr int kMaxDepth = 32;
  const auto [document, too_deep] = parse_bounded_json<ordered_json>(text, kMaxDepth);
  if (too_deep)
    fail(ErrorCode::InvalidArgument, source, ": the configuration is nested too deeply");
  if (!document.is_object())
    fail(ErrorCode::InvalidArgument, source, ": the configuration is not a JSON object");
  return read_config(check_config_json(document, source), source);
}

ordered_json ServedModelConfig::to_json() const {
  ordered_json out;
  out["name"] = name;
  out["platform"] = platform;
  out["backend"] = backend;
  out["version_policy"] =
      given.value("version_policy", ordered_json{{"latest", {{"num_versions", 1}}}});
  out["max_batch_size"] = max_batch_size;
  out["input"] = ordered_json::array();
  for (const TensorSpec& spec : inputs) {
    const bool may_miss = std::find(optional.begin(), optional.end(), spec.name) != optional.end();
    out["input"].push_back(tensor_json(spec, true, may_miss, batch_tensors.is_ragged(spec.name)));
  }
  out["output"] = ordered_json::array();
  for (const TensorSpec& spec : outputs)
    out["output"].push_back(tensor_json(spec, false, false, false));
  out["batch_input"] = batch_inputs_json(batch_tensors);
  out["batch_output"] = batch_outputs_json(batch_tensors);
  out["optimization"] = given.value("optimization", ordered_json::object());
  if (given.contains("dynamic_batching")) out["dynamic_batching"] = given["dynamic_batching"];
  out["instance_group"] = given.value(
      "instance_group",
      ordered_json::array({{{"name", name + "_0"}, {"kind", "KIND_CPU"}, {"count", 1}}}));
  out["default_model_filename"] = default_model_filename;
  for (const char* map : {"cc_model_filenames", "metric_tags", "parameters"})
    out[map] = given.value(map, ordered_json::object());
  out["model_warmup"] = given.value("model_warmup", ordered_json::array());
  for (const auto& [key, value] : given.items()) {
    if (!out.contains(key)) out[key] = value;
  }
  return out;
}

}  // namespace jetcal::engine::detail
