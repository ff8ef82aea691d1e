// SPDX-License-Identifier: Apache-2.0
// jetcal model: what a network costs (summary) and what a model file holds (show).
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>

#include "jetcal/cli/verb.h"
#include "jetcal/models/model.h"
#include "jetcal/models/model_summary.h"

namespace jetcal::cli {
namespace {

using nlohmann::ordered_json;

// Particles a jet has on average where --particles does not say: the paper's first 100 of a box
// that nearly always holds more, or the constituents of a jet above 30 GeV (real CMS jets: 39.6).
constexpr std::int64_t kPaperParticles = 100;
constexpr std::int64_t kConstituentParticles = 40;
constexpr std::int64_t kMaxParticles = 1'000'000;

struct SummaryOptions {
  std::string preset, model, mode;
  std::int64_t particles = 0;  // 0: the default of the mode
};

struct ModelOptions {
  CommonOptions& common;
  SummaryOptions summary;
  std::string show_path;
};

// Takes the values of --config for flags that are not given.
SummaryOptions with_config(const CLI::App& app, const CommonOptions& common,
                           SummaryOptions options) {
  const Config config = load_config(common);
  const auto fill = [&](const char* name, auto& value) {
    const auto configured = config.get(name, value);
    if (app.count(std::string("--") + name) == 0) value = configured;
  };
  fill("preset", options.preset);
  fill("model", options.model);
  fill("mode", options.mode);
  fill("particles", options.particles);
  config.reject_unknown();
  return options;
}

models::ModelConfig configuration(const SummaryOptions& options) {
  if (options.preset.empty() == options.model.empty()) {
    fail(ErrorCode::InvalidArgument, "summary needs either --preset NAME or --model FILE");
  }
  models::ModelConfig config = options.model.empty() ? models::preset(options.preset)
                                                     : models::load_model(options.model).config;
  if (options.mode.empty()) return config;
  const edm::InputMode mode = edm::parse_input_mode(options.mode);
  if (!options.model.empty() && mode != config.input_mode) {
    fail(ErrorCode::InvalidArgument, options.model, " was trained in the mode ",
         edm::input_mode_name(config.input_mode), ", not ", options.mode);
  }
  config.input_mode = mode;
  return config;
}

std::int64_t particles_per_jet(const SummaryOptions& options, edm::InputMode mode) {
  if (options.particles < 0 || options.particles > kMaxParticles) {  // from --config, unchecked
    fail(ErrorCode::InvalidArgument, "particles must be in [1, ", kMaxParticles, "], got ",
         options.particles);
  }
  if (options.particles > 0) return options.particles;
  return mode == edm::InputMode::Paper ? kPaperParticles : kConstituentParticles;
}

std::string with_thousands(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(at, ",");
  return digits;
}

void print_row(const std::string& label, const std::string& value) {
  std::cout << std::left << std::setw(38) << label << value << "\n";
}

void print_config(const models::ModelConfig& config) {
  const nlohmann::json fields = models::to_json(config);
  for (const auto& [name, value] : fields.items()) {
    const bool of_pfn = name.starts_with("particle_");
    const bool of_particlenet = name.starts_with("edge_") || name == "neighbors";
    if (of_pfn && config.network != models::Network::Pfn) continue;
    if (of_particlenet && config.network != models::Network::ParticleNet) continue;
    print_row("  " + name, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

int run_summary(const SummaryOptions& options, bool json) {
  const models::ModelConfig config = configuration(options);
  const std::int64_t particles = particles_per_jet(options, config.input_mode);
  const std::int64_t parameters = models::num_parameters(config);
  const std::int64_t padded = models::macs_padded(config, edm::kPaperMaxParticles);
  const std::int64_t ragged = models::macs_ragged(config, particles);
  if (json) {
    ordered_json document;
    document[options.model.empty() ? "preset" : "model"] =
        options.model.empty() ? options.preset : options.model;
    document["network"] = models::network_name(config.network);
    document["mode"] = edm::input_mode_name(config.input_mode);
    document["config"] = models::to_json(config);
    document["parameters"] = parameters;
    document["padded_particles"] = edm::kPaperMaxParticles;
    document["macs_padded"] = padded;
    document["particles_per_jet"] = particles;
    document["macs_per_jet"] = ragged;
    ordered_json& layers = document["layers"] = ordered_json::array();
    for (const models::LayerSummary& layer : models::summarise(config, particles)) {
      layers.push_back({{"name", layer.name},
                        {"shape", layer.shape},
                        {"parameters", layer.parameters},
                        {"macs_padded", layer.macs_padded},
                        {"macs", layer.macs}});
    }
    print_json(document);
    return 0;
  }
  print_row(options.model.empty() ? "preset" : "model",
            options.model.empty() ? options.preset : options.model);
  print_config(config);
  print_row("parameters", with_thousands(parameters));
  print_row("MACs, padded to " + std::to_string(edm::kPaperMaxParticles), with_thousands(padded));
  print_row("MACs, a jet of " + std::to_string(particles) + " particles", with_thousands(ragged));
  std::cout << "\n" << models::summary_table(config, particles);
  return 0;
}

ordered_json tensor_list(const std::vector<models::TensorSlice>& slices,
                         const std::vector<float>& values) {
  ordered_json list = ordered_json::array();
  for (const models::TensorSlice& slice : slices) {
    const auto begin = values.begin() + slice.offset;
    const auto [low, high] = std::minmax_element(begin, begin + slice.size);
    list.push_back({{"name", slice.name}, {"shape", slice.shape}, {"min", *low}, {"max", *high}});
  }
  return list;
}

ordered_json describe(const models::Standardisation& shifts) {
  if (shifts.empty()) return nullptr;
  ordered_json document{{"particle_mean", shifts.particle_mean},
                        {"particle_deviation", shifts.particle_deviation},
                        {"jet_mean", shifts.jet_mean},
                        {"jet_deviation", shifts.jet_deviation}};
  if (shifts.has_bounds()) {
    document["particle_low"] = shifts.particle_low;
    document["particle_high"] = shifts.particle_high;
    document["jet_low"] = shifts.jet_low;
    document["jet_high"] = shifts.jet_high;
  }
  return document;
}

std::string short_number(const ordered_json& value) {
  std::ostringstream text;
  text << std::setprecision(4) << value.get<double>();
  return text.str();
}

void print_tensors(const char* title, const ordered_json& tensors) {
  std::cout << title << "\n";
  for (const ordered_json& tensor : tensors) {
    print_row("  " + tensor["name"].get<std::string>(), tensor["shape"].dump() + "  from " +
                                                            short_number(tensor["min"]) + " to " +
                                                            short_number(tensor["max"]));
  }
}

int run_show(const std::string& path, bool json) {
  const models::Model model = models::load_model(path);
  ordered_json document;
  document["model"] = path;
  document["fingerprint"] = models::fingerprint(model);
  document["config"] = models::to_json(model.config);
  document["parameters"] = model.layout.num_parameters;
  document["standardisation"] = describe(model.standardisation);
  document["provenance"] = model.provenance;
  document["tensors"] = {{"parameters", tensor_list(model.layout.parameters, model.parameters)},
                         {"buffers", tensor_list(model.layout.buffers, model.buffers)}};
  if (json) {
    print_json(document);
    return 0;
  }
  print_row("model", path);
  print_row("fingerprint", document["fingerprint"].get<std::string>());
  print_config(model.config);
  print_row("parameters", with_thousands(model.layout.num_parameters));
  std::cout << "provenance\n";
  for (const auto& [key, value] : model.provenance) print_row("  " + key, value);
  print_tensors("tensors", document["tensors"]["parameters"]);
  print_tensors("buffers", document["tensors"]["buffers"]);
  if (!model.standardisation.empty()) {
    std::cout << "standardisation\n";
    for (const auto& [name, values] : document["standardisation"].items()) {
      std::string row;
      for (const ordered_json& value : values) row += short_number(value) + "  ";
      print_row("  " + name, row);
    }
  }
  return 0;
}

std::function<int()> set_up(CLI::App& app, CommonOptions& common) {
  const auto options = std::make_shared<ModelOptions>(ModelOptions{common, {}, {}});
  // --config, --json and --threads belong to every verb; fallthrough lets them follow summary,
  // show.
  app.require_subcommand(1);
  CLI::App* const summary =
      app.add_subcommand("summary", "count parameters and multiply-accumulates")->fallthrough();
  summary->add_option("--preset", options->summary.preset,
                      "paper-pfn, paper-particlenet, transformer, small-pfn, small-particlenet or "
                      "small-transformer");
  summary->add_option("--model", options->summary.model, "a model file (*.jetcal)");
  summary->add_option("--mode", options->summary.mode, "paper or constituents");
  summary
      ->add_option("--particles", options->summary.particles,
                   "particles of the real jet that MACs are counted for; default 100 in paper "
                   "mode, 40 for constituents")
      ->check(CLI::Range(std::int64_t{1}, kMaxParticles));
  CLI::App* const show =
      app.add_subcommand("show", "print configuration, tensors and provenance")->fallthrough();
  show->add_option("FILE", options->show_path, "a model file (*.jetcal)")->required();
  return [options, summary, show] {
    if (show->parsed()) {
      load_config(options->common).reject_unknown();  // show has no fields of its own
      return run_show(options->show_path, options->common.json);
    }
    return run_summary(with_config(*summary, options->common, options->summary),
                       options->common.json);
  };
}

}  // namespace

Verb make_model_verb() {
  return {"model", "Says what a network costs and what a model file holds.", set_up};
}

}  // namespace jetcal::cli
