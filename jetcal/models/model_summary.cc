// SPDX-License-Identifier: Apache-2.0
#include "jetcal/models/model_summary.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "jetcal/models/model.h"

namespace jetcal::models {
namespace {

// How many rows of one jet a layer works on.
struct Rows {
  std::int64_t padded = 1, ragged = 1;
};

Rows rows_of(const std::string& layer, const ModelConfig& config, std::int64_t num_particles) {
  if (layer.starts_with("head")) return {1, 1};
  const std::int64_t neighbors = std::clamp<std::int64_t>(num_particles - 1, 0, config.neighbors);
  if (layer.ends_with(".pair"))
    return {edm::kPaperMaxParticles * edm::kPaperMaxParticles, num_particles * num_particles};
  const std::size_t edge = layer.find(".edge");
  if (edge == std::string::npos) return {edm::kPaperMaxParticles, num_particles};
  const bool first = layer.substr(edge) == ".edge0";  // factored: one product a particle
  return {edm::kPaperMaxParticles * config.neighbors,
          first ? num_particles : num_particles * neighbors};
}

std::string with_thousands(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  std::ostringstream text;
  for (std::size_t i = 0; i < shape.size(); ++i) text << (i == 0 ? "" : " x ") << shape[i];
  return text.str();
}

void print_row(std::ostream& out, const std::string& name, const std::string& shape,
               const std::string& parameters, const std::string& padded,
               const std::string& ragged) {
  out << std::left << std::setw(24) << name << std::right << std::setw(12) << shape << std::setw(12)
      << parameters << std::setw(16) << padded << std::setw(16) << ragged << "\n";
}

}  // namespace

std::vector<LayerSummary> summarise(const ModelConfig& config, std::int64_t num_particles) {
  std::vector<LayerSummary> layers;
  for (const TensorSlice& slice : make_layout(config).parameters) {
    const std::string name = slice.name.substr(0, slice.name.rfind('.'));
    if (layers.empty() || layers.back().name != name) layers.push_back({name, slice.shape});
    LayerSummary& layer = layers.back();
    layer.parameters += slice.size;
    if (slice.shape.size() != 2) continue;
    const Rows rows = rows_of(name, config, num_particles);
    // Scores and sums of attention have no weights of their own: they count with the pairs' bias.
    const std::int64_t of_row =
        slice.size + (name.ends_with(".pair") ? 2 * config.attention_units : 0);
    layer.macs_padded += rows.padded * of_row;
    layer.macs += rows.ragged * of_row;
  }
  return layers;
}

std::string summary_table(const ModelConfig& config, std::int64_t num_particles) {
  std::ostringstream out;
  print_row(out, "layer", "weight", "parameters",
            "MACs at " + std::to_string(edm::kPaperMaxParticles),
            "MACs at " + std::to_string(num_particles));
  LayerSummary sum;
  for (const LayerSummary& layer : summarise(config, num_particles)) {
    print_row(out, layer.name, text_of(layer.shape), with_thousands(layer.parameters),
              with_thousands(layer.macs_padded), with_thousands(layer.macs));
    sum.parameters += layer.parameters;
    sum.macs_padded += layer.macs_padded;
    sum.macs += layer.macs;
  }
  print_row(out, "sum", "", with_thousands(sum.parameters), with_thousands(sum.macs_padded),
            with_thousands(sum.macs));
  return out.str();
}

}  // namespace jetcal::models
