// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/options.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "jetcal/base/error.h"

namespace jetcal::train {
namespace {

models::ModelConfig named_model(const Config& config) {
  const bool has_preset = config.has("model.preset");
  if (!config.has("model.network")) {
    return models::preset(config.get<std::string>("model.preset", "paper-pfn"));
  }
  const auto network = models::parse_network(config.require<std::string>("model.network"));
  const std::string published = network == models::Network::ParticleTransformer
                                    ? "transformer"
                                    : "paper-" + std::string(models::network_name(network));
  const models::ModelConfig model =
      models::preset(config.get<std::string>("model.preset", published));
  if (has_preset && model.network != network) {
    fail(ErrorCode::InvalidArgument, config.source(), ": model.preset is a ",
         models::network_name(model.network), ", model.network asks for a ",
         models::network_name(network));
  }
  return model;
}

models::ModelConfig read_model(const Config& config) {
  models::ModelConfig model = named_model(config);
  model.input_mode = edm::parse_input_mode(
      config.get("model.mode", std::string(edm::input_mode_name(model.input_mode))));
  model.standardise = config.get("model.standardise", model.standardise);
  if (model.network == models::Network::Pfn) {
    model.particle_layers = config.get("model.particle_layers", model.particle_layers);
    model.particle_units = config.get("model.particle_units", model.particle_units);
  } else if (model.network == models::Network::ParticleTransformer) {
    model.embedding_layers = config.get("model.embedding_layers", model.embedding_layers);
    model.attention_blocks = config.get("model.attention_blocks", model.attention_blocks);
    model.attention_heads = config.get("model.attention_heads", model.attention_heads);
    model.attention_units = config.get("model.attention_units", model.attention_units);
    model.feed_forward_units = config.get("model.feed_forward_units", model.feed_forward_units);
  } else {
    model.edge_blocks = config.get("model.edge_blocks", model.edge_blocks);
    model.neighbors = config.get("model.neighbors", model.neighbors);
    model.edge_layers = config.get("model.edge_layers", model.edge_layers);
    model.edge_units = config.get("model.edge_units", model.edge_units);
  }
  model.head_layers = config.get("model.head_layers", model.head_layers);
  model.head_units = config.get("model.head_units", model.head_units);
  model.dropout = config.get("model.dropout", model.dropout);
  return model;
}

void require_at_least(const char* field, std::int64_t value, std::int64_t least) {
  if (value < least)
    fail(ErrorCode::InvalidArgument, field, " must be at least ", least, ", got ", value);
}

}  // namespace

TrainOptions read_train_options(const Config& config) {
  TrainOptions options;
  options.data = config.get<std::string>("data.directory", "");
  options.storage = read_storage_options(config);
  options.output = config.get<std::string>("output", "");
  options.model = read_model(config);
  OptimizerOptions& optimizer = options.optimizer;
  optimizer.kind = parse_optimizer(
      config.get("training.optimizer", std::string(optimizer_name(optimizer.kind))));
  optimizer.learning_rate = config.get("training.lr", default_learning_rate(optimizer.kind));
  if (config.has("training.weight_decay"))
    optimizer.weight_decay = config.require<double>("training.weight_decay");
  options.course = read_course(config);
  options.epochs = config.get("training.epochs", options.epochs);
  options.batch_size = config.get("training.batch_size", options.batch_size);
  options.seed = config.get("training.seed", options.seed);
  options.checkpoint_steps = config.get("training.checkpoint_steps", options.checkpoint_steps);
  options.checkpoint_seconds =
      config.get("training.checkpoint_seconds", options.checkpoint_seconds);
  return options;
}

void validate(const TrainOptions& options) {
  if (options.data.empty()) {
    fail(ErrorCode::InvalidArgument,
         "the folder of shards is not given: use --data or the field data.directory");
  }
  if (options.output.empty()) {
    fail(ErrorCode::InvalidArgument,
         "the folder for the results is not given: use --output or the field output");
  }
  validate(options.storage);
  models::validate(options.model);
  validate(options.course);
  require_at_least("training.epochs", options.epochs, 1);
  require_at_least("training.batch_size", options.batch_size, 1);
  require_at_least("training.seed", options.seed, 0);
  require_at_least("training.checkpoint_steps", options.checkpoint_steps, 1);
  const double rate = options.optimizer.learning_rate;
  if (!(rate > 0) || !std::isfinite(rate))
    fail(ErrorCode::InvalidArgument, "training.lr must be positive, got ", rate);
  const double decay = options.optimizer.resolved_weight_decay();
  if (!(decay >= 0) || !std::isfinite(decay))
    fail(ErrorCode::InvalidArgument, "training.weight_decay must not be negative, got ", decay);
  if (!(options.checkpoint_seconds > 0)) {
    fail(ErrorCode::InvalidArgument, "training.checkpoint_seconds must be positive, got ",
         options.checkpoint_seconds);
  }
}

nlohmann::json identity(const TrainOptions& options) {
  nlohmann::json training = {{"optimizer", optimizer_name(options.optimizer.kind)},
                             {"lr", options.optimizer.learning_rate},
                             {"weight_decay", options.optimizer.resolved_weight_decay()},
                             {"schedule", schedule_name(options.course.schedule.kind)},
                             {"epochs", options.epochs},
                             {"batch_size", options.batch_size},
                             {"seed", options.seed}};
  add_identity(options.course, training);
  return {{"model", models::to_json(options.model)}, {"training", training}};
}

}  // namespace jetcal::train
