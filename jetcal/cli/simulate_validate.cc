// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/simulate_validate.h"

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/branch_reader.h"
#include "jetcal/data/calibration_reader.h"
#include "jetcal/data/root_jet_reader.h"
#include "jetcal/jec/closure.h"
#include "jetcal/sim/validation.h"
#include "jetcal/sim/validation_files.h"

namespace jetcal::cli {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::vector<fs::path> expand(const std::vector<std::string>& patterns) {
  std::vector<fs::path> paths;
  for (const std::string& pattern : patterns) {
    const std::vector<fs::path> found = glob_files(pattern);
    paths.insert(paths.end(), found.begin(), found.end());
  }
  return paths;
}

/// Sets pt_reco anew from the raw pT.
void correct_again(const sim::Correction& correction, edm::JetColumns& jets) {
  for (std::size_t i = 0; i < jets.pt_raw.size(); ++i) {
    const sim::Jet jet{jets.pt_raw[i], jets.eta[i], jets.phi[i], 0, jets.area[i], {}, 0, 0};
    double factor = 1;
    correction.factors({&jet, 1}, jets.rho[i], {&factor, 1});
    jets.pt_reco[i] = static_cast<float>(jets.pt_raw[i] * factor);
  }
}

/// Appends the jets of a file chunk by chunk; `pileup` has one number per jet or per event.
void read_jets(const fs::path& path, const std::vector<float>& pileup, const ValidateOptions* again,
               sim::ValidationJets& jets) {
  constexpr std::int64_t kChunk = 4000;
  data::RootJetReader reader(path);
  const bool by_event = reader.source().rows_are_events();
  Progress progress(path.filename().string(), reader.source().num_entries, "entries");
  std::size_t done = 0;
  while (true) {
    edm::JetColumns chunk;
    data::JetOrigins origins;
    if (reader.read(kChunk, chunk, &origins) == 0) break;
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped while ", path.string(), " was read");
    if (again != nullptr) correct_again(*again->correction, chunk);
    std::vector<float> of_jets(chunk.pt_reco.size());
    for (std::size_t i = 0; i < of_jets.size(); ++i)
      of_jets[i] = pileup.at(by_event ? static_cast<std::size_t>(origins.entry[i]) : done + i);
    done += of_jets.size();
    jets.append(chunk.view(), of_jets);
    progress.update(reader.next_entry());
  }
  progress.finish();
}

/// Everything that one run measures.
struct Report {
  std::vector<sim::Check> checks;
  std::vector<std::string> notes;
  bool has_closure = false;
  jec::Closure closure;
  std::int64_t missed = 0, passed = 0;

  void add(std::vector<sim::Check> more) {
    for (sim::Check& check : more) {
      if (check.has_target()) ++(check.passed() ? passed : missed);
      checks.push_back(std::move(check));
    }
  }
};

void compare(const ValidateOptions& options, const sim::ValidationJets& jets,
             const std::vector<sim::EventCounts>& events, Report& report) {
  if (options.compare.empty()) {
    report.notes.emplace_back(
        "no real file is given: stored numbers of one are compared, without matching pT spectrum "
        "and pileup");
    report.add(sim::compare_with_stored(jets, events));
    return;
  }
  std::vector<sim::EventCounts> real_events;
  sim::read_real_events(options.compare, real_events);
  std::vector<float> pileup;
  pileup.reserve(real_events.size());
  for (const sim::EventCounts& event : real_events)
    pileup.push_back(static_cast<float>(event.num_pileup));
  std::int64_t unmatched = 0;
  if (jets.num_jets() > 0) {
    sim::ValidationJets real;
    read_jets(options.compare, pileup, nullptr, real);
    report.add(sim::compare_jets(jets, real, unmatched));
    report.notes.push_back(std::to_string(unmatched) +
                           " real jets lie in cells of pT and pileup without simulated ones");
  }
  if (events.empty()) return;
  report.add(sim::compare_events(events, real_events, unmatched));
  report.notes.push_back(std::to_string(unmatched) +
                         " real events lie in cells of pileup without simulated ones");
}

Report measure(const ValidateOptions& options) {
  Report report;
  sim::ValidationJets jets;
  for (const fs::path& path : expand(options.samples))
    read_jets(path, data::read_branch(path, "", "Pileup_nPU"),
              options.recorrect ? &options : nullptr, jets);
  edm::CalibrationJets calibration;
  std::vector<sim::EventCounts> events;
  for (const fs::path& path : expand(options.calibrations)) {
    data::read_calibration_jets(path, calibration);
    sim::read_calibration_events(path, events);
  }
  const jec::JetCorrector* corrector = options.correction->corrector();
  if (calibration.num_jets() > 0 && corrector != nullptr) {
    report.add(sim::check_calibration(calibration, *corrector));
    Progress progress("closure", 0, "series");
    jec::ClosureOptions closure;
    closure.on_progress = [&](std::int64_t done, std::int64_t) { progress.update(done); };
    report.closure = jec::measure_closure(calibration, *corrector, closure);
    progress.finish();
    report.has_closure = true;
    report.missed += report.closure.missed;
    report.passed += report.closure.passed;
  }
  if (jets.num_jets() > 0) report.add(sim::check_sample(jets));
  compare(options, jets, events, report);
  return report;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

void print_document(const ValidateOptions& options, const Report& report) {
  Json document;
  document["samples"] = options.samples;
  document["calibrations"] = options.calibrations;
  document["passed"] = report.passed;
  document["missed"] = report.missed;
  document["notes"] = report.notes;
  Json& list = document["checks"] = Json::array();
  for (const sim::Check& check : report.checks) {
    Json row{{"block", check.block},
             {"name", check.name},
             {"value", number(check.value)},
             {"error", number(check.error)},
             {"count", check.count}};
    if (check.has_target()) {
      row["target"] = {number(check.low), number(check.high)};
      row["verdict"] = check.passed() ? "passed" : "missed";
    }
    if (check.has_real) {
      row["real"] = number(check.real);
      row["real_error"] = number(check.real_error);
    }
    if (!check.source.empty()) row["source"] = check.source;
    list.push_back(std::move(row));
  }
  if (report.has_closure) document["closure"] = jec::to_json(report.closure);
  print_json(document);
}

void print_check(const sim::Check& check) {
  std::printf("  %-42s %9.4g +- %-8.2g %9lld ", check.name.c_str(), check.value, check.error,
              static_cast<long long>(check.count));
  if (check.has_real) {
    std::printf(" real %.4g", check.real);
    if (std::isfinite(check.real_error)) std::printf(" +- %.2g", check.real_error);
  }
  if (check.has_target() && std::isfinite(check.high))
    std::printf(" %.4g to %.4g %s", check.low, check.high, check.passed() ? "passed" : "MISSED");
  else if (check.has_target())
    std::printf(" above %.4g %s", check.low, check.passed() ? "passed" : "MISSED");
  std::printf("\n");
}

void print_closure(const jec::Closure& closure) {
  std::printf("closure of the correction: |median - 1| in bins of pT_gen [GeV]\n");
  for (const jec::ClosureSeries& series : closure.against_pt) {
    // The finer regions are in the JSON document, and in the counts.
    if (series.region != "barrel" && series.region != "endcap") continue;
    for (const jec::ClosureBin& bin : series.bins) {
      if (bin.verdict == jec::Verdict::NoTarget) continue;
      std::printf("  %-28s %6.0f-%-6.0f %8lld %9.4f +- %.4f  target %.3f %s\n",
                  series.region.c_str(), bin.low, bin.high, static_cast<long long>(bin.jets),
                  bin.median, bin.error, bin.target,
                  std::string(jec::verdict_name(bin.verdict)).c_str());
    }
  }
  for (const jec::ClosureSlope& slope : closure.against_pileup)
    std::printf("  %-28s %6.0f-%-6.0f slope %+.4f +- %.4f %% per pileup collision %s\n",
                slope.series.region.c_str(), slope.series.pt_gen.low, slope.series.pt_gen.high,
                slope.slope, slope.error, std::string(jec::verdict_name(slope.verdict)).c_str());
  std::printf("  %lld passed, %lld missed, %lld undecided, %lld with too few jets\n",
              static_cast<long long>(closure.passed), static_cast<long long>(closure.missed),
              static_cast<long long>(closure.undecided),
              static_cast<long long>(closure.too_few_jets));
}

void print_report(const Report& report) {
  std::string block;
  for (const sim::Check& check : report.checks) {
    if (check.block != block) {
      block = check.block;
      std::printf("%s%s%s\n", block.c_str(),
                  check.source.empty() ? "" : "; source: ", check.source.c_str());
    }
    print_check(check);
  }
  if (report.has_closure) print_closure(report.closure);
  for (const std::string& note : report.notes) std::printf("note: %s\n", note.c_str());
  std::printf("%lld targets passed, %lld missed\n", static_cast<long long>(report.passed),
              static_cast<long long>(report.missed));
}

}  // namespace

int validate(const ValidateOptions& options, bool json) {
  // Before minutes of reading.
  if (!options.compare.empty() && !fs::exists(options.compare))
    fail(ErrorCode::NotFound, "no file ", options.compare, " to compare with");
  const Report report = measure(options);
  if (json)
    print_document(options, report);
  else
    print_report(report);
  return report.missed > 0 ? kTargetsMissed : 0;
}

}  // namespace jetcal::cli
