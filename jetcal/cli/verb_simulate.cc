// SPDX-License-Identifier: Apache-2.0
// jetcal simulate: makes a JetNTuple file of simulated jets.
#include <cstdio>
#include <memory>
#include <set>
#include <string>

#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/cli/simulate_validate.h"
#include "jetcal/cli/verb.h"
#include "jetcal/sim/production.h"

namespace jetcal::cli {

namespace {

/// What the command line gave; an empty optional leaves the word to --config.
struct SimulateFlags {
  std::optional<std::string> output;
  std::optional<std::vector<std::string>> correction, validate, calibrations;
  std::optional<std::string> compare;
  std::optional<std::vector<int>> precision_bits;
  std::optional<std::int64_t> jets, events, pileup_pool, block_events;
  std::optional<std::uint64_t> seed;
  std::optional<int> workers, compression;
  std::optional<double> pileup_mean;
  bool keep_blocks = false;
};

void add_flags(CLI::App& app, SimulateFlags& f) {
  app.add_option("--output", f.output, "file to write, tree AK4jets/jetTree");
  app.add_option(
      "--calibration", f.calibrations,
      "file to write for deriving corrections, trees calibration/jets (every gen jet "
      "with what is reconstructed of it with and without pileup) and calibration/events; "
      "beside --output or alone; with --validate: the files to read");
  app.add_option(
      "--correction", f.correction,
      "JetCorrectorParameters files in the order L1FastJet L2Relative L3Absolute, or one "
      "correctionlib JSON, that make jetPt of jetRawPt instead of the compiled-in ones; "
      "'none' leaves jetPt = jetRawPt");
  app.add_option("--jets", f.jets,
                 "selected jets to make (genJetPt > 20 GeV, |genJetEta| < 2.5); the event that "
                 "completes them is whole");
  app.add_option("--events", f.events, "collisions to generate, instead of --jets");
  app.add_option("--seed", f.seed, "seed of everything random; default 1");
  app.add_option("--workers", f.workers, "processes; the file does not depend on it; default 1");
  app.add_option("--pileup-mean", f.pileup_mean, "mean number of pileup collisions; default 23");
  app.add_option("--pileup-pool", f.pileup_pool, "minimum-bias events to draw from; default 20000");
  app.add_option("--block-events", f.block_events, "collisions per block; default 250");
  app.add_option("--compression", f.compression,
                 "ROOT's number, e.g. 505 for ZSTD level 5 (default), 209 for LZMA level 9");
  app.add_option("--precision-bits", f.precision_bits,
                 "mantissa bits kept of pT, dEta, dPhi of constituents, of other candidates, of "
                 "dR and dTheta of constituents, of other candidates, of gen particles; default "
                 "12,12,12,12,12")
      ->delimiter(',');
  app.add_option("--validate", f.validate,
                 "make nothing: judge these samples (* and ? in the last component), and those of "
                 "--calibration, by numbers of CMS; exit status 7 when a target is missed");
  app.add_option("--compare", f.compare,
                 "with --validate: a real PFNano file whose jets and candidates are compared; "
                 "without it stored numbers of one");
  app.add_flag("--keep-blocks", f.keep_blocks,
               "leave OUTPUT.blocks, so that the next run can write the same jets differently");
}

template <typename T>
T choose(const std::optional<T>& flag, const Config& config, const char* name, const T& fallback) {
  const T value = config.get(name, fallback);
  return flag.value_or(value);
}

/// Returns the files of a flag, or those of the configuration: one name or a list.
std::vector<std::string> choose_files(const std::optional<std::vector<std::string>>& flag,
                                      const Config& config, const char* name) {
  std::vector<std::string> files;
  try {
    files = config.get(name, files);
  } catch (const Error&) {
    files = {config.get<std::string>(name, "")};
  }
  return flag.value_or(files);
}

void read_bits(const std::vector<int>& bits, sim::NtupleOptions& options) {
  int* const fields[] = {&options.own_bits, &options.other_bits, &options.own_derived_bits,
                         &options.other_derived_bits, &options.gen_bits};
  if (bits.size() != std::size(fields))
    fail(ErrorCode::InvalidArgument, "precision_bits needs five numbers, not ", bits.size());
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits[i] < 1 || bits[i] > 23)
      fail(ErrorCode::InvalidArgument, "precision_bits must be from 1 to 23, not ", bits[i]);
    *fields[i] = bits[i];
  }
}

void read_correction(const std::vector<std::string>& files, sim::ProductionOptions& options) {
  if (files.empty()) return;
  options.correction = files == std::vector<std::string>{"none"}
                           ? sim::Correction()
                           : sim::Correction::open({files.begin(), files.end()});
}

sim::ProductionOptions read_options(const SimulateFlags& f, const CommonOptions& common) {
  Config config = load_config(common);
  sim::ProductionOptions options;
  options.output = choose<std::string>(f.output, config, "output", "");
  const auto calibrations = choose_files(f.calibrations, config, "calibration");
  if (calibrations.size() > 1)
    fail(ErrorCode::InvalidArgument, "calibration names one file to write, not ",
         calibrations.size());
  if (!calibrations.empty()) options.calibration = calibrations.front();
  // A flag of one kind overrides either kind of the file.
  const bool from_flags = f.jets || f.events;
  // The section `jets` of the card has the name of the flag.
  const auto jets = config.get<std::int64_t>("num_jets", 0);
  const auto events = config.get<std::int64_t>("events", 0);
  options.num_jets = from_flags ? f.jets.value_or(0) : jets;
  options.num_events = from_flags ? f.events.value_or(0) : events;
  options.seed = choose<std::uint64_t>(f.seed, config, "seed", 1);
  options.workers = choose(f.workers, config, "workers", 1);
  options.pool_events = choose(f.pileup_pool, config, "pileup_pool", options.pool_events);
  options.block_events = choose(f.block_events, config, "block_events", options.block_events);
  options.ntuple.compression =
      choose(f.compression, config, "compression", options.ntuple.compression);
  options.keep_blocks = f.keep_blocks;
  read_correction(choose_files(f.correction, config, "correction"), options);
  read_bits(choose(f.precision_bits, config, "precision_bits", std::vector<int>(5, 12)),
            options.ntuple);
  if (options.ntuple.compression < 100 || options.ntuple.compression > 509)
    fail(ErrorCode::InvalidArgument, "compression must be from 100 to 509, not ",
         options.ntuple.compression);
  if (f.pileup_mean) config.set("pileup.mean", std::to_string(*f.pileup_mean));
  options.experiment = sim::read_experiment(config);
  config.reject_unknown();
  return options;
}

/// Turns progress reports into one bar per piece of work.
class Bars {
 public:
  void operator()(const std::string& what, const std::string& unit, std::int64_t done,
                  std::int64_t total) {
    if (what != what_) {
      bar_.reset();
      bar_ = std::make_unique<Progress>(what, total, unit);
      what_ = what;
    }
    if (!bar_) return;
    bar_->update(done);
    if (done >= total) bar_.reset();
  }

 private:
  std::string what_;
  std::unique_ptr<Progress> bar_;
};

double per_second(std::int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

nlohmann::ordered_json to_json(const sim::ProductionOptions& options,
                               const sim::ProductionSummary& s) {
  nlohmann::ordered_json document;
  if (!options.output.empty()) {
    document["output"] = options.output.string();
    document["bytes"] = std::filesystem::file_size(options.output);
  }
  if (!options.calibration.empty()) {
    document["calibration"] = options.calibration.string();
    document["calibration_jets"] = s.calibration_jets;
  }
  document["seed"] = options.seed;
  document["events"] = s.events;
  document["events_simulated"] = s.events_simulated;
  document["events_accepted"] = s.events_accepted;
  document["generator_failures"] = s.generator_failures;
  document["blocks"] = s.blocks;
  document["blocks_reused"] = s.blocks_reused;
  document["jets"] = s.jets;
  document["jets_selected"] = s.jets_selected;
  document["candidates"] = s.candidates;
  document["jets_outside_correction"] = s.jets_outside_correction;
  document["wall_seconds"] = s.wall_seconds;
  document["jets_per_second"] = per_second(s.jets, s.wall_seconds);
  document["cpu_seconds"] = s.cpu_seconds;
  document["events_per_core_second"] = per_second(s.events_simulated, s.cpu_seconds);
  document["flavors"] = s.flavors;
  document["validation"] = {{"constituents_per_jet", s.constituents},
                            {"candidates_per_box", s.box_candidates},
                            {"charged_fraction", s.charged_fraction},
                            {"photon_fraction", s.photon_fraction},
                            {"neutral_hadron_fraction", s.neutral_hadron_fraction},
                            {"rho_per_pileup", s.rho_per_pileup},
                            {"area", s.area}};
  auto& response = document["response"] = nlohmann::ordered_json::array();
  for (const auto& bin : s.response) {
    response.push_back({{"eta", {bin.eta_low, bin.eta_high}},
                        {"pt_gen", {bin.pt_low, bin.pt_high}},
                        {"jets", bin.jets},
                        {"median", bin.median},
                        {"iqr_over_median", bin.iqr_over_median}});
  }
  return document;
}

void print_table(const sim::ProductionOptions& options, const sim::ProductionSummary& s) {
  const auto number = [](std::int64_t count) { return static_cast<long long>(count); };
  std::printf("%lld events\n", number(s.events));
  if (!options.calibration.empty())
    std::printf("%s: %lld gen jets\n", options.calibration.c_str(), number(s.calibration_jets));
  if (options.output.empty()) {
    std::printf("%.1f events/s per core\n", per_second(s.events_simulated, s.cpu_seconds));
    return;
  }
  std::printf("%s: %lld jets, %lld selected, of %lld accepted events\n", options.output.c_str(),
              number(s.jets), number(s.jets_selected), number(s.events_accepted));
  std::printf("%.1f jets/s, %.1f events/s per core\n", per_second(s.jets, s.wall_seconds),
              per_second(s.events_simulated, s.cpu_seconds));
  for (const auto& [name, count] : s.flavors)
    std::printf("  %-10s %lld\n", name.c_str(), static_cast<long long>(count));
  std::printf("constituents %.1f  box %.1f  fractions %.2f %.2f %.2f  rho/pileup %.2f  area %.3f\n",
              s.constituents, s.box_candidates, s.charged_fraction, s.photon_fraction,
              s.neutral_hadron_fraction, s.rho_per_pileup, s.area);
  std::printf("%-10s %-12s %8s %8s %8s\n", "|eta|", "pt_gen", "jets", "median", "IQR/med");
  for (const auto& bin : s.response)
    std::printf("%.1f-%-6.1f %5.0f-%-6.0f %8lld %8.4f %8.4f\n", bin.eta_low, bin.eta_high,
                bin.pt_low, bin.pt_high, static_cast<long long>(bin.jets), bin.median,
                bin.iqr_over_median);
}

int judge(const SimulateFlags& flags, const CommonOptions& common) {
  const Config config = load_config(common);
  sim::ProductionOptions options;
  const auto correction = choose_files(flags.correction, config, "correction");
  read_correction(correction, options);
  ValidateOptions judged;
  judged.samples = *flags.validate;
  judged.calibrations = choose_files(flags.calibrations, config, "calibration");
  judged.compare = choose<std::string>(flags.compare, config, "compare", "");
  judged.correction = &options.correction;
  judged.recorrect = !correction.empty();
  config.reject_unknown();
  return validate(judged, common.json);
}

// Judging makes nothing, and making judges nothing.
void refuse_flags_of_the_other(const CLI::App& app) {
  const std::set<std::string> judging{"--validate", "--compare"};
  const std::set<std::string> shared{"--calibration", "--correction"};
  const bool judged = app.count("--validate") > 0;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0 || is_common_flag(name) || shared.contains(name)) continue;
    if (judging.contains(name) == judged) continue;
    fail(ErrorCode::InvalidArgument, name,
         judged ? " is for making jets, and --validate makes none" : " needs --validate");
  }
}

int simulate(const CLI::App& app, const SimulateFlags& flags, const CommonOptions& common) {
  refuse_flags_of_the_other(app);
  if (flags.validate) return judge(flags, common);
  const sim::ProductionOptions options = read_options(flags, common);
  Bars bars;
  const sim::ProductionSummary summary = sim::produce(options, std::ref(bars));
  if (common.json)
    print_json(to_json(options, summary));
  else
    print_table(options, summary);
  return 0;
}

}  // namespace

Verb make_simulate_verb() {
  return {"simulate", "Make a JetNTuple file of simulated jets",
          [](CLI::App& app, CommonOptions& common) -> std::function<int()> {
            auto flags = std::make_shared<SimulateFlags>();
            add_flags(app, *flags);
            return [&app, flags, &common] { return simulate(app, *flags, common); };
          }};
}

}  // namespace jetcal::cli
