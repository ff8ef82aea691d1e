// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/run_state.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::train {

static constexpr std::string_view kOptimizerPrefix = "optimizer.";

Checkpoint to_checkpoint(const RunState& state) {
  Checkpoint checkpoint;
  checkpoint.state = {{"identity", state.identity},
                      {"start_time", state.start_time},
                      {"constant", state.constant},
                      {"train", state.train},
                      {"epoch", state.epoch},
                      {"batch", state.batch},
                      {"step", state.step},
                      {"epoch_error", state.epoch_error},
                      {"epoch_jets", state.epoch_jets},
                      {"epoch_seconds", state.epoch_seconds},
                      {"epoch_data_seconds", state.epoch_data_seconds},
                      {"epoch_data_cpu_seconds", state.epoch_data_cpu_seconds},
                      {"epoch_clipped_steps", state.epoch_clipped_steps},
                      {"optimizer_steps", state.optimizer.steps},
                      {"history", state.history},
                      {"validation", state.validation},
                      {"best_epoch", state.best_epoch},
                      {"best_validation_loss", state.best_validation_loss}};
  if (state.result) checkpoint.state["result"] = *state.result;
  if (!state.performance.is_null()) checkpoint.state["performance"] = state.performance.dump();
  const models::CalibrationShape shape = models::shape_of(state.calibration);
  checkpoint.state["calibration"] = {shape.closure.num_eta, shape.closure.num_knots,
                                     shape.resolution.num_eta, shape.resolution.num_knots};
  checkpoint.tensors = {{"parameters", state.parameters},
                        {"buffers", state.buffers},
                        {"best_parameters", state.best_parameters},
                        {"best_buffers", state.best_buffers},
                        {"particle_mean", state.standardisation.particle_mean},
                        {"particle_deviation", state.standardisation.particle_deviation},
                        {"jet_mean", state.standardisation.jet_mean},
                        {"jet_deviation", state.standardisation.jet_deviation},
                        {"particle_low", state.standardisation.particle_low},
                        {"particle_high", state.standardisation.particle_high},
                        {"jet_low", state.standardisation.jet_low},
                        {"jet_high", state.standardisation.jet_high}};
  if (!state.average_parameters.empty()) {
    checkpoint.tensors["average_parameters"] = state.average_parameters;
    checkpoint.tensors["average_buffers"] = state.average_buffers;
  }
  checkpoint.tensors["calibration"] = models::calibration_values(state.calibration);
  for (const auto& [name, values] : state.optimizer.tensors) {
    checkpoint.tensors[std::string(kOptimizerPrefix) + name] = values;
  }
  return checkpoint;
}

// Older checkpoints have no calibration.
static models::Calibration read_calibration(const Checkpoint& checkpoint) {
  if (!checkpoint.state.contains("calibration")) return {};
  const nlohmann::json& extents = checkpoint.state.at("calibration");
  const models::CalibrationShape shape{
      {extents.at(0).get<std::int64_t>(), extents.at(1).get<std::int64_t>()},
      {extents.at(2).get<std::int64_t>(), extents.at(3).get<std::int64_t>()}};
  std::int64_t size = 0;
  for (const models::CalibrationTensor& tensor : models::calibration_tensors(shape))
    size += tensor.size;
  const std::vector<float>& values = checkpoint.tensor("calibration");
  if (std::ssize(values) != size)
    fail(ErrorCode::DataLoss, "the checkpoint's calibration does not have its size");
  return models::make_calibration(shape, values);
}

static RunState read_state(const Checkpoint& checkpoint) {
  const nlohmann::json& json = checkpoint.state;
  RunState state;
  state.identity = json.at("identity");
  json.at("start_time").get_to(state.start_time);
  json.at("constant").get_to(state.constant);
  json.at("train").get_to(state.train);
  json.at("epoch").get_to(state.epoch);
  json.at("batch").get_to(state.batch);
  json.at("step").get_to(state.step);
  json.at("epoch_error").get_to(state.epoch_error);
  json.at("epoch_jets").get_to(state.epoch_jets);
  json.at("epoch_seconds").get_to(state.epoch_seconds);
  // Older checkpoints lack these two.
  state.epoch_data_seconds = json.value("epoch_data_seconds", 0.0);
  state.epoch_data_cpu_seconds = json.value("epoch_data_cpu_seconds", 0.0);
  state.epoch_clipped_steps = json.value("epoch_clipped_steps", std::int64_t{0});
  json.at("optimizer_steps").get_to(state.optimizer.steps);
  json.at("history").get_to(state.history);
  json.at("validation").get_to(state.validation);
  json.at("best_epoch").get_to(state.best_epoch);
  json.at("best_validation_loss").get_to(state.best_validation_loss);
  if (json.contains("result")) state.result = json.at("result").get<TrainResult>();
  if (json.contains("performance"))
    state.performance = nlohmann::ordered_json::parse(json.at("performance").get<std::string>());
  state.calibration = read_calibration(checkpoint);
  state.parameters = checkpoint.tensor("parameters");
  state.buffers = checkpoint.tensor("buffers");
  if (checkpoint.tensors.contains("average_parameters")) {
    state.average_parameters = checkpoint.tensor("average_parameters");
    state.average_buffers = checkpoint.tensor("average_buffers");
  }
  state.best_parameters = checkpoint.tensor("best_parameters");
  state.best_buffers = checkpoint.tensor("best_buffers");
  models::Standardisation& shifts = state.standardisation;
  shifts.particle_mean = checkpoint.tensor("particle_mean");
  shifts.particle_deviation = checkpoint.tensor("particle_deviation");
  shifts.jet_mean = checkpoint.tensor("jet_mean");
  shifts.jet_deviation = checkpoint.tensor("jet_deviation");
  if (checkpoint.tensors.contains("particle_low")) {  // older checkpoints know no bounds
    shifts.particle_low = checkpoint.tensor("particle_low");
    shifts.particle_high = checkpoint.tensor("particle_high");
    shifts.jet_low = checkpoint.tensor("jet_low");
    shifts.jet_high = checkpoint.tensor("jet_high");
  }
  for (const auto& [name, values] : checkpoint.tensors) {
    if (name.starts_with(kOptimizerPrefix))
      state.optimizer.tensors[name.substr(kOptimizerPrefix.size())] = values;
  }
  return state;
}

RunState from_checkpoint(const Checkpoint& checkpoint) {
  try {
    return read_state(checkpoint);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::DataLoss, "the checkpoint is of another version of jetcal: ", error.what());
  }
}

std::optional<FieldDifference> first_difference(const nlohmann::json& first,
                                                const nlohmann::json& second) {
  const nlohmann::json before = first.flatten();
  const nlohmann::json now = second.flatten();
  std::set<std::string> keys;
  for (const auto& entry : before.items()) keys.insert(entry.key());
  for (const auto& entry : now.items()) keys.insert(entry.key());
  for (const std::string& key : keys) {
    const nlohmann::json old_value = before.value(key, nlohmann::json());
    const nlohmann::json new_value = now.value(key, nlohmann::json());
    if (old_value == new_value) continue;
    std::string field = key.substr(1);
    std::replace(field.begin(), field.end(), '/', '.');
    return FieldDifference{field, old_value.dump(), new_value.dump()};
  }
  return std::nullopt;
}

void require_same_run(const nlohmann::json& stored, const nlohmann::json& asked,
                      const std::string& where) {
  const std::optional<FieldDifference> difference = first_difference(stored, asked);
  if (!difference) return;
  fail(ErrorCode::FailedPrecondition, where, " holds a run with ", difference->field, " = ",
       difference->first, ", this one has ", difference->second,
       "; use another output folder, or --restart to throw that run away");
}

}  // namespace jetcal::train
