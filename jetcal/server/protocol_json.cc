// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/protocol_json.h"

#include "jetcal/base/version.h"

namespace jetcal::server {

using nlohmann::ordered_json;

ordered_json server_metadata_json() {
  return {{"name", "jetcal"},
          {"version", version()},
          {"extensions",
           {"classification", "model_repository", "model_repository(unload_dependents)",
            "schedule_policy", "model_configuration", "system_shared_memory", "binary_tensor_data",
            "parameters", "statistics", "trace", "logging"}}};
}

static ordered_json specs_json(std::span<const engine::TensorSpec> specs) {
  ordered_json list = ordered_json::array();
  for (const engine::TensorSpec& spec : specs)
    list.push_back({{"name", spec.name},
                    {"datatype", engine::data_type_name(spec.type)},
                    {"shape", spec.shape}});
  return list;
}

ordered_json metadata_json(const engine::ModelMetadata& model) {
  return {{"name", model.name},
          {"versions", model.versions},
          {"platform", model.platform},
          {"inputs", specs_json(model.inputs)},
          {"outputs", specs_json(model.outputs)}};
}

static ordered_json duration_json(const engine::DurationSum& sum) {
  return {{"count", sum.count}, {"ns", sum.ns}};
}

static ordered_json model_statistics_json(const engine::ModelStatistics& model) {
  ordered_json batches = ordered_json::array();
  for (const engine::BatchStatistics& batch : model.batches)
    batches.push_back({{"batch_size", batch.batch_size},
                       {"compute_input", duration_json(batch.compute_input)},
                       {"compute_infer", duration_json(batch.compute_infer)},
                       {"compute_output", duration_json(batch.compute_output)}});
  return {{"name", model.name},
          {"version", model.version},
          {"last_inference", model.last_inference_ms},
          {"inference_count", model.inference_count},
          {"execution_count", model.execution_count},
          {"inference_stats",
           {{"success", duration_json(model.success)},
            {"fail", duration_json(model.fail)},
            {"queue", duration_json(model.queue)},
            {"compute_input", duration_json(model.compute_input)},
            {"compute_infer", duration_json(model.compute_infer)},
            {"compute_output", duration_json(model.compute_output)},
            {"cache_hit", duration_json({})},
            {"cache_miss", duration_json({})}}},
          {"response_stats", ordered_json::object()},
          {"batch_stats", batches},
          {"memory_usage", ordered_json::array()}};
}

ordered_json statistics_json(std::span<const engine::ModelStatistics> models) {
  ordered_json list = ordered_json::array();
  for (const engine::ModelStatistics& model : models) list.push_back(model_statistics_json(model));
  return {{"model_stats", list}};
}

ordered_json index_json(std::span<const engine::ModelState> models, bool only_ready) {
  ordered_json list = ordered_json::array();
  for (const engine::ModelState& model : models) {
    if (only_ready && !model.ready) continue;
    ordered_json entry = {{"name", model.name}};
    if (!model.version.empty()) entry["version"] = model.version;
    entry["state"] = model.ready ? "READY" : "UNAVAILABLE";
    if (!model.reason.empty()) entry["reason"] = model.reason;
    list.push_back(entry);
  }
  return list;
}

}  // namespace jetcal::server
