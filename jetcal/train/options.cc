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

void read_model_beyond_paper(const Config& config, models::ModelConfig& model) {
  const auto text = [&config](const char* field, std::string_view fallback) {
    return config.get(field, std::string(fallback));
  };
  model.features =
      edm::parse_feature_set(text("model.features", edm::feature_set_name(model.features)));
  model.target = edm::parse_reference(text("model.target", edm::reference_name(model.target)));
  if (model.target == edm::Reference::Raw) model.skip = config.get("model.skip", model.skip);
  model.head = models::parse_head(text("model.head", models::head_name(model.head)));
  model.pooling = models::parse_pooling(text("model.pooling", models::pooling_name(model.pooling)));
  model.norm = models::parse_norm(text("model.norm", models::norm_name(model.norm)));
}

models::ModelConfig read_model(const Config& config) {
  models::ModelConfig model = named_model(config);
  model.input_mode = edm::parse_input_mode(
      config.get("model.mode", std::string(edm::input_mode_name(model.input_mode))));
  model.standardise = config.get("model.standardise", model.standardise);
  read_model_beyond_paper(config, model);
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

void read_data(const Config& config, TrainOptions& options) {
  data::mark_ingest_fields(config, "data.");
  options.rules = data::read_data_rules(config, "data.");
  options.reweighting = data::read_reweighting(config, "data.");
  options.standardisation = read_standardisation(config, "data.");
  require_features(options.standardisation, options.model.inputs());
  const std::string& method = options.standardisation.method;
  if (method.empty()) return;
  const bool standardise = method != "none";
  if (config.has("model.standardise") && options.model.standardise != standardise) {
    fail(ErrorCode::InvalidArgument, config.source(), ": data.standardisation.method is ", method,
         ", model.standardise says ", options.model.standardise ? "true" : "false");
  }
  options.model.standardise = standardise;
}

// The rules decide about the result, but what they leave as it is must not part old runs from new.
nlohmann::json data_identity(const TrainOptions& options) {
  nlohmann::json json = data::to_json(options.rules);
  json.erase("observers");
  if (!options.reweighting.empty()) json["reweighting"] = data::to_json(options.reweighting);
  if (options.standardisation != StandardisationRules())
    json["standardisation"] = to_json(options.standardisation);
  return json;
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
  read_data(config, options);
  OptimizerOptions& optimizer = options.optimizer;
  optimizer.kind = parse_optimizer(
      config.get("training.optimizer", std::string(optimizer_name(optimizer.kind))));
  optimizer.learning_rate = config.get("training.lr", default_learning_rate(optimizer.kind));
  if (config.has("training.weight_decay"))
    optimizer.weight_decay = config.require<double>("training.weight_decay");
  options.course = read_course(config);
  options.epochs = config.get("training.epochs", options.epochs);
  options.pause_after = config.get("training.pause_after", options.pause_after);
  options.batch_size = config.get("training.batch_size", options.batch_size);
  options.seed = config.get("training.seed", options.seed);
  options.flavor_weight = config.get("training.flavor_weight", options.flavor_weight);
  options.model.flavor_head = options.flavor_weight > 0;
  options.closure = config.get("training.closure", options.closure);
  options.checkpoint_steps = config.get("training.checkpoint_steps", options.checkpoint_steps);
  options.checkpoint_seconds =
      config.get("training.checkpoint_seconds", options.checkpoint_seconds);
  options.histogram_epochs = config.get("report.histograms", options.histogram_epochs);
  options.figure_epochs = config.get("report.figures", options.figure_epochs);
  options.metrics_file = config.get<std::string>("report.metrics_file", "");
  options.distributed = read_distributed_options(config);
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
  validate(options.distributed);
  require_at_least("training.epochs", options.epochs, 1);
  require_at_least("training.pause_after", options.pause_after, 0);
  require_at_least("training.batch_size", options.batch_size, 1);
  require_at_least("training.seed", options.seed, 0);
  require_at_least("training.checkpoint_steps", options.checkpoint_steps, 1);
  require_at_least("report.histograms", options.histogram_epochs, 0);
  require_at_least("report.figures", options.figure_epochs, 0);
  const double rate = options.optimizer.learning_rate;
  if (!(rate > 0) || !std::isfinite(rate))
    fail(ErrorCode::InvalidArgument, "training.lr must be positive, got ", rate);
  const double decay = options.optimizer.resolved_weight_decay();
  if (!(decay >= 0) || !std::isfinite(decay))
    fail(ErrorCode::InvalidArgument, "training.weight_decay must not be negative, got ", decay);
  if (!(options.flavor_weight >= 0) || !std::isfinite(options.flavor_weight)) {
    fail(ErrorCode::InvalidArgument, "training.flavor_weight must not be negative, got ",
         options.flavor_weight);
  }
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
  // Runs of older versions have neither and go on.
  if (options.flavor_weight > 0) training["flavor_weight"] = options.flavor_weight;
  if (options.closure) training["closure"] = true;
  nlohmann::json whole{{"model", models::to_json(options.model)}, {"training", training}};
  nlohmann::json of_data = data_identity(options);
  if (!options.distributed.sync_norm) whole["distributed"]["sync_norm"] = false;
  if (!of_data.empty()) whole["data"] = std::move(of_data);
  return whole;
}

nlohmann::json hyperparameters(const TrainOptions& options) {
  const auto of_another = [network = options.model.network](const std::string& name) {
    if (name.starts_with("particle_")) return network != models::Network::Pfn;
    if (name.starts_with("edge_") || name == "neighbors")
      return network != models::Network::ParticleNet;
    if (name.starts_with("attention_") || name == "feed_forward_units")
      return network != models::Network::ParticleTransformer;
    return false;
  };
  const nlohmann::json whole = identity(options);
  nlohmann::json flat = nlohmann::json::object();
  for (const auto& [section, fields] : whole.items()) {
    for (const auto& [name, value] : fields.items()) {
      if (section == "model" && of_another(name)) continue;
      flat[section + "." + name] = value.is_structured() ? nlohmann::json(value.dump()) : value;
    }
  }
  return flat;
}

}  // namespace jetcal::train
