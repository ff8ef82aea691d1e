// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/jec_derive.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "jetcal/analysis/draw.h"
#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/cli/crash_report.h"
#include "jetcal/cli/jec_figures.h"
#include "jetcal/data/calibration_reader.h"
#include "jetcal/jec/closure.h"
#include "jetcal/jec/correction_files.h"
#include "jetcal/jec/derive.h"

namespace jetcal::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kDefaultLabel = "anti-#it{k}_{T} #it{R} = 0.4, CHS";

struct ClosureFlags {
  std::vector<std::string> inputs, corrections;
  std::string name, output, label = kDefaultLabel;
  int bootstrap = 200;
  std::uint64_t seed = 1;
  std::int64_t min_jets = 100;
  bool no_fail = false;
};

struct DeriveFlags {
  std::vector<std::string> inputs, closure_inputs;
  std::string output, tag, label = kDefaultLabel;
  jec::DeriveOptions options;
  int bootstrap = 200;
  std::uint64_t seed = 1;
};

edm::CalibrationJets read_inputs(const std::vector<std::string>& inputs, Json& files) {
  edm::CalibrationJets jets;
  files = Json::array();
  for (const std::string& pattern : inputs) {
    for (const fs::path& path : glob_files(pattern)) {
      Progress progress(path.filename().string(), 0, "jets");
      const std::int64_t before = jets.num_jets();
      data::read_calibration_jets(path, jets,
                                  [&](std::int64_t done, std::int64_t) { progress.update(done); });
      progress.finish();
      files.push_back({{"path", path.string()}, {"jets", jets.num_jets() - before}});
    }
  }
  return jets;
}

Json draw_figures(const std::vector<analysis::Figure>& figures, const std::string& label,
                  const fs::path& folder) {
  Json list = Json::array();
  Progress progress("draw", static_cast<std::int64_t>(figures.size()), "figures");
  for (const analysis::Figure& figure : figures) {
    std::vector<std::string> files = analysis::draw(figure, label, folder);
    files.push_back(figure.name + ".json");
    write_file(folder / files.back(), analysis::to_json(figure).dump(1) + "\n");
    list.push_back({{"name", figure.name}, {"caption", figure.caption}, {"files", files}});
    progress.update(static_cast<std::int64_t>(list.size()));
  }
  progress.finish();
  return list;
}

jec::Closure measure(const edm::CalibrationJets& jets, const jec::JetCorrector& corrector,
                     jec::ClosureOptions options) {
  Progress progress("closure", 0, "series");
  options.on_progress = [&](std::int64_t done, std::int64_t) { progress.update(done); };
  return measure_closure(jets, corrector, options);
}

void print_series(const jec::ClosureSeries& series) {
  fmt::print("\nmedian response, {}\n{:>13} {:>8} {:>8} {:>8} {:>7}  {}\n", series.region,
             "pt_gen [GeV]", "jets", "median", "+-", "target", "verdict");
  for (const jec::ClosureBin& bin : series.bins) {
    const std::string target =
        std::isfinite(bin.target) ? fmt::format("{:.1f} %", 100 * bin.target) : "-";
    const std::string range = fmt::format("{:.0f}-{:.0f}", bin.low, bin.high);
    if (std::isfinite(bin.median)) {
      fmt::print("{:>13} {:>8} {:>8.4f} {:>8.4f} {:>7}  {}\n", range, bin.jets, bin.median,
                 bin.error, target, verdict_name(bin.verdict));
    } else {
      fmt::print("{:>13} {:>8} {:>8} {:>8} {:>7}  {}\n", range, bin.jets, "-", "-", target,
                 verdict_name(bin.verdict));
    }
  }
}

void print_slopes(const std::vector<jec::ClosureSlope>& slopes, const char* unit) {
  fmt::print("\nslope of the median response, % per {}\n", unit);
  for (const jec::ClosureSlope& slope : slopes) {
    fmt::print("{:>8} {:>10} GeV  {:>8.4f} +- {:.4f}  {}\n", slope.series.region,
               fmt::format("{:.0f}-{:.0f}", slope.series.pt_gen.low, slope.series.pt_gen.high),
               slope.slope, slope.error, verdict_name(slope.verdict));
  }
}

void print_closure(const jec::Closure& closure) {
  for (const jec::ClosureSeries& series : closure.against_pt) {
    if (series.region == "barrel" || series.region == "endcap") print_series(series);
  }
  print_slopes(closure.against_pileup, "pileup collision");
  print_slopes(closure.against_rho, "GeV of rho");
  fmt::print(
      "\n{} jets, {} without reconstructed partner, {} outside every bin of the correction\n"
      "targets, fine bins included: {} passed, {} missed, {} undecided (error above a third of the "
      "target), {} with too few jets\n",
      closure.jets, closure.unmatched, closure.outside_bins, closure.passed, closure.missed,
      closure.undecided, closure.too_few_jets);
}

void need(bool given, const char* what) {
  if (!given) fail(ErrorCode::InvalidArgument, what);
}

int run_closure(const CLI::App& app, ClosureFlags flags, const CommonOptions& common) {
  report_crashes("jec closure");
  const Config config = load_config(common);
  fill_from_config(app, config, "input", flags.inputs);
  fill_from_config(app, config, "correction", flags.corrections);
  fill_from_config(app, config, "name", flags.name);
  fill_from_config(app, config, "output", flags.output);
  fill_from_config(app, config, "label", flags.label);
  fill_from_config(app, config, "bootstrap", flags.bootstrap);
  fill_from_config(app, config, "seed", flags.seed);
  fill_from_config(app, config, "min-jets", flags.min_jets);
  fill_from_config(app, config, "no-fail", flags.no_fail);
  config.reject_unknown();
  need(!flags.inputs.empty(), "the input is missing: give --input CALIBRATION.root");
  need(!flags.corrections.empty(), "the correction is missing: give --correction FILES");
  need(!flags.output.empty(), "the output folder is missing: give --output DIR");

  const std::vector<fs::path> paths(flags.corrections.begin(), flags.corrections.end());
  const jec::JetCorrector corrector = jec::JetCorrector::open(paths, flags.name);
  Json files;
  const edm::CalibrationJets jets = read_inputs(flags.inputs, files);
  const jec::Closure closure =
      measure(jets, corrector, {flags.bootstrap, flags.seed, flags.min_jets, {}});
  PartialFolder output(flags.output);
  Json document{{"inputs", files}, {"corrections", flags.corrections}};
  document.update(to_json(closure));
  document["figures"] = draw_figures(closure_figures(closure), flags.label, output.path());
  write_file(output.path() / "closure.json", document.dump(1) + "\n");
  output.commit();
  if (common.json) {
    print_json(document);
  } else {
    print_closure(closure);
    fmt::print("figures and closure.json are in {}\n", flags.output);
  }
  if (closure.missed == 0 || flags.no_fail) return 0;
  std::fflush(stdout);
  fmt::print(stderr, "jetcal jec closure: {} of {} targets are missed\n", closure.missed,
             closure.missed + closure.passed);
  return kTargetsMissed;
}

DeriveFlags merged(const CLI::App& app, DeriveFlags flags, const CommonOptions& common) {
  const Config config = load_config(common);
  fill_from_config(app, config, "input", flags.inputs);
  fill_from_config(app, config, "closure-input", flags.closure_inputs);
  fill_from_config(app, config, "output", flags.output);
  fill_from_config(app, config, "tag", flags.tag);
  fill_from_config(app, config, "label", flags.label);
  fill_from_config(app, config, "bootstrap", flags.bootstrap);
  fill_from_config(app, config, "seed", flags.seed);
  fill_from_config(app, config, "min-jets-eta", flags.options.min_jets_eta);
  fill_from_config(app, config, "min-jets-pt", flags.options.min_jets_pt);
  fill_from_config(app, config, "pt-gen-min", flags.options.pt_gen_min);
  fill_from_config(app, config, "trim", flags.options.trim);
  fill_from_config(app, config, "iterations", flags.options.iterations);
  fill_from_config(app, config, "min-degree", flags.options.min_degree);
  fill_from_config(app, config, "max-degree", flags.options.max_degree);
  config.reject_unknown();
  need(!flags.inputs.empty(), "the input is missing: give --input CALIBRATION.root");
  need(!flags.output.empty(), "the output folder is missing: give --output DIR");
  need(!flags.tag.empty(), "the tag is missing: give --tag NAME, e.g. JetcalSim_V2_MC");
  return flags;
}

void print_fits(const jec::Derivation& derivation) {
  const jec::DerivationCounts& c = derivation.counts;
  fmt::print(
      "{} gen jets: {} below the smallest pt_gen, {} without reconstructed partner, {} outside "
      "|eta|, {} used ({} of them without partner in the event without pileup)\n"
      "{} bins of |eta|; {} of CMS's were joined to a neighbour\n\n"
      "{:>13} {:>8} {:>14} {:>15} {:>16} {:>11} | {:>7} {:>6} {:>11} {:>9}\n",
      c.jets, c.below_pt_gen, c.unmatched, c.outside_eta, c.used, c.without_partner, c.eta_bins,
      c.merged_eta_bins, "|eta|", "jets", "rho_zero", "density", "log slope", "chi2/ndf", "points",
      "degree", "chi2/ndf", "last step");
  for (std::size_t i = 0; i < derivation.offset.size(); ++i) {
    const jec::OffsetFit& l1 = derivation.offset[i];
    const jec::ResponseFit& l2 = derivation.response[i];
    fmt::print(
        "{:>13} {:>8} {:>6.2f} +- {:>4.2f} {:>7.4f}+-{:>6.4f} {:>7.4f}+-{:>6.4f} {:>6.1f}/{:<4} | "
        "{:>7} {:>6} {:>6.1f}/{:<4} {:>9.1e}\n",
        fmt::format("{:.3f}-{:.3f}", l1.abs_eta.low, l1.abs_eta.high), l2.jets, l1.rho_zero,
        l1.rho_zero_error, l1.density, l1.density_error, l1.log_slope, l1.log_slope_error, l1.chi2,
        std::max<std::int64_t>(0, l1.cells - 3), l2.points.size(), l2.coefficients.size() - 1,
        l2.chi2, l2.points.size() - l2.coefficients.size(), l2.changes.back());
  }
}

int run_derive(const CLI::App& app, const DeriveFlags& given, const CommonOptions& common) {
  report_crashes("jec derive");
  DeriveFlags flags = merged(app, given, common);
  Json files;
  const edm::CalibrationJets jets = read_inputs(flags.inputs, files);
  jec::Derivation derivation;
  {
    Progress progress("derive", 0, "bins of |eta|");
    flags.options.on_progress = [&](std::int64_t done, std::int64_t) { progress.update(done); };
    derivation = derive(jets, flags.options);
  }
  const std::vector<jec::CorrectionText> texts = correction_texts(derivation, flags.tag);
  const jec::CorrectionText json = correction_json(derivation, flags.tag);
  const bool independent = !flags.closure_inputs.empty();
  Json closure_files = files;
  const edm::CalibrationJets others =
      independent ? read_inputs(flags.closure_inputs, closure_files) : edm::CalibrationJets{};
  const jec::Closure closure =
      measure(independent ? others : jets, jec::JetCorrector::parse(texts),
              {flags.bootstrap, flags.seed, jec::ClosureOptions{}.min_jets, {}});

  PartialFolder output(flags.output);
  Json document{{"tag", flags.tag}, {"inputs", files}, {"files", Json::array()}};
  for (const jec::CorrectionText& text : texts) {
    write_file(output.path() / text.name, text.text);
    document["files"].push_back(text.name);
  }
  write_file(output.path() / json.name, json.text);
  document["files"].push_back(json.name);
  document.update(to_json(derivation));
  document["figures"] = draw_figures(derivation_figures(derivation), flags.label, output.path());
  write_file(output.path() / "derivation.json", document.dump(1) + "\n");
  Json closure_document{{"inputs", closure_files}, {"independent", independent}};
  closure_document.update(to_json(closure));
  closure_document["figures"] = draw_figures(closure_figures(closure), flags.label, output.path());
  write_file(output.path() / "closure.json", closure_document.dump(1) + "\n");
  output.commit();
  if (common.json) {
    document["closure"] = std::move(closure_document);
    document["output"] = flags.output;
    print_json(document);
    return 0;
  }
  print_fits(derivation);
  fmt::print("\nclosure on {} sample\n", independent ? "an independent" : "the same");
  print_closure(closure);
  fmt::print("corrections, derivation.json, closure.json and figures are in {}\n", flags.output);
  return 0;
}

}  // namespace

JecPart add_jec_derive(CLI::App& jec, const CommonOptions& common) {
  const auto flags = std::make_shared<DeriveFlags>();  // shared: outlives this set-up
  CLI::App* const app =
      jec.add_subcommand("derive", "derive L1FastJet and L2Relative from simulated jets")
          ->fallthrough();
  app->add_option("--input", flags->inputs,
                  "files of jetcal simulate --calibration (* and ? in the last component)");
  app->add_option("--closure-input", flags->closure_inputs,
                  "the same, for the closure [the jets of --input]");
  app->add_option("--output", flags->output, "folder of corrections, numbers and figures");
  app->add_option("--tag", flags->tag, "name of the corrections, e.g. JetcalSim_V2_MC");
  app->add_option("--min-jets-eta", flags->options.min_jets_eta,
                  "bins of |eta| with fewer jets are joined [4000]");
  app->add_option("--min-jets-pt", flags->options.min_jets_pt,
                  "bins of pt_gen with fewer jets are joined [150]");
  app->add_option("--pt-gen-min", flags->options.pt_gen_min, "smallest pt_gen used, GeV [10]");
  app->add_option("--trim", flags->options.trim,
                  "part of the offsets cut off at each end before the mean [0.1]");
  app->add_option("--iterations", flags->options.iterations, "of L2, at least 2 [3]");
  app->add_option("--min-degree", flags->options.min_degree,
                  "of the polynomial of L2, chosen from here to --max-degree [2]");
  app->add_option("--max-degree", flags->options.max_degree, "of the polynomial of L2 [8]");
  app->add_option("--bootstrap", flags->bootstrap, "resamplings for the closure's errors [200]");
  app->add_option("--seed", flags->seed, "seed of the resamplings [1]");
  app->add_option("--label", flags->label, "text at the top right of the figures (TLatex)");
  return {app, [app, flags, &common] { return run_derive(*app, *flags, common); }};
}

JecPart add_jec_closure(CLI::App& jec, const CommonOptions& common) {
  const auto flags = std::make_shared<ClosureFlags>();  // shared: outlives this set-up
  CLI::App* const app =
      jec.add_subcommand("closure", "measure the closure of corrections on simulated jets")
          ->fallthrough();
  app->add_option("--input", flags->inputs,
                  "files of jetcal simulate --calibration (* and ? in the last component), other "
                  "jets than the correction was derived from");
  app->add_option("--correction", flags->corrections,
                  "text files in the order in which they are applied, or one correctionlib JSON");
  app->add_option("--name", flags->name, "the correction of a JSON with several");
  app->add_option("--output", flags->output, "folder of closure.json and figures");
  app->add_option("--bootstrap", flags->bootstrap, "resamplings for the errors [200]");
  app->add_option("--seed", flags->seed, "seed of the resamplings [1]");
  app->add_option("--min-jets", flags->min_jets, "bins with fewer jets get no number [100]");
  app->add_option("--label", flags->label, "text at the top right of the figures (TLatex)");
  app->add_flag("--no-fail", flags->no_fail, "exit with 0 even when a target is missed");
  return {app, [app, flags, &common] { return run_closure(*app, *flags, common); }};
}

}  // namespace jetcal::cli
