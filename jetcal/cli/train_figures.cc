// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/train_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "jetcal/analysis/draw.h"
#include "jetcal/analysis/figures.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::cli {
namespace {

analysis::Analysis analyze(const train::JetResponses& responses) {
  analysis::JetSample sample;
  sample.pt_gen = responses.pt_gen;
  sample.eta_gen = responses.eta;
  sample.pt_reco = responses.pt_reco;
  sample.flavor.assign(responses.pt_gen.size(), edm::Flavor::Undefined);
  sample.correctors = {{"no correction", responses.pt_reco}, {"network", responses.pt_corr}};
  analysis::AnalysisOptions options;
  options.resamplings = 20;  // errors for the eye
  return analysis::analyze(sample, options);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> draw_responses(
    const train::JetResponses& responses) {
  const TemporaryFolder scratch;
  std::vector<std::pair<std::string, std::string>> images;
  for (const analysis::Figure& figure : analysis::make_figures(analyze(responses))) {
    if (!figure.name.starts_with("resolution_") && !figure.name.starts_with("response_")) continue;
    analysis::draw(figure, fmt::format("validation, epoch {}", responses.epoch), scratch.path());
    images.emplace_back(figure.name, read_file(scratch.path() / (figure.name + ".png")));
  }
  return images;
}

void draw_lr_finder(const train::LrFinderResult& result, const std::filesystem::path& folder) {
  analysis::Panel panel;
  panel.x_title = "learning rate";
  panel.y_title = "loss";
  panel.log_x = true;
  panel.x_low = result.rates.front();
  panel.x_high = std::max(result.rates.back(), 1.01 * result.rates.front());
  panel.notes = {fmt::format("suggestion {:.3g}", result.suggestion)};
  analysis::Series losses{"loss", 0, {}};
  analysis::Series smoothed{"smoothed", 1, {}};
  const double best = *std::min_element(result.smoothed.begin(), result.smoothed.end());
  double highest = best;
  for (std::size_t i = 0; i < result.rates.size(); ++i) {
    const double rate = result.rates[i];
    losses.points.push_back({rate, rate, rate, result.losses[i], 0});
    smoothed.points.push_back({rate, rate, rate, result.smoothed[i], 0});
    highest = std::max(highest, result.smoothed[i]);
  }
  const double size = std::abs(best);  // that of a likelihood may be negative
  panel.y_low = best - 0.1 * size;
  panel.y_high = best + 1.5 * std::min(highest - best, 2 * size);
  panel.series = {losses, smoothed};
  analysis::Figure figure;
  figure.name = "lr_finder";
  figure.panels = {panel};
  analysis::draw(figure, "learning-rate test", folder);
}

}  // namespace jetcal::cli
