// SPDX-License-Identifier: Apache-2.0
// Times real correction files row by row in correctionlib and in columns here, on one thread.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/random.h"
#include "jetcal/base/threads.h"
#include "jetcal/base/version.h"
#include "jetcal/jec/jet_corrector.h"
#ifdef JETCAL_HAS_CORRECTIONLIB
#include <correction.h>
#endif

namespace jetcal::jec {
namespace {

constexpr std::size_t kRows = 200000;
constexpr int kRounds = 7;
constexpr const char* kJson = JETCAL_CMS_FILES "/jet_jerc_Summer22_V3.json.gz";
constexpr const char* kCorrections[] = {
    "Summer22_22Sep2023_V3_MC_L2Relative_AK4PFPuppi",
    "Summer22_22Sep2023_V3_MC_L1L2L3Res_AK4PFPuppi",
    "Summer22_22Sep2023_RunCD_V3_DATA_L1L2L3Res_AK4PFPuppi",
    "Summer22_22Sep2023_JRV1_MC_PtResolution_AK4PFPuppi",
    "Summer22_22Sep2023_JRV1_MC_ScaleFactor_AK4PFPuppi",
    "Summer22_22Sep2023_V3_MC_Total_AK4PFPuppi",
};

struct Jets {
  std::vector<double> pt, eta, area, rho;
  std::vector<std::string> systematic{"nom"};
};

Jets random_jets() {
  Rng rng(1);
  Jets jets;
  for (std::size_t i = 0; i < kRows; ++i) {
    jets.pt.push_back(15 * std::pow(200, rng.uniform()));
    jets.eta.push_back(-5 + 10 * rng.uniform());
    jets.area.push_back(0.3 + 0.4 * rng.uniform());
    jets.rho.push_back(1 + 59 * rng.uniform());
  }
  return jets;
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Returns the shortest CPU time of some rounds in seconds; other work on the machine adds little to
// it.
template <typename Work>
double shortest(const Work& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    const double begin = thread_seconds();
    work();
    best = std::min(best, thread_seconds() - begin);
  }
  return best;
}

nlohmann::ordered_json figures(double seconds) {
  return {{"rows_per_second", kRows / seconds}, {"ns_per_row", 1e9 * seconds / kRows}};
}

#ifdef JETCAL_HAS_CORRECTIONLIB
// The values of one row in the order of the correction's inputs.
using Row = std::vector<correction::Variable::Type>;

template <typename Correction>
double run_library(const Correction& correction, const Jets& jets, std::vector<double>& out) {
  std::vector<const std::vector<double>*> columns;
  Row row;
  for (const auto& input : correction.inputs()) {
    const std::string& name = input.name();
    row.emplace_back(0.0);
    columns.push_back(name == "JetPt"    ? &jets.pt
                      : name == "JetEta" ? &jets.eta
                      : name == "JetA"   ? &jets.area
                      : name == "Rho"    ? &jets.rho
                                         : nullptr);
    if (columns.back() == nullptr) row.back() = jets.systematic[0];
  }
  return shortest([&] {
    for (std::size_t i = 0; i < kRows; ++i) {
      for (std::size_t c = 0; c < columns.size(); ++c)
        if (columns[c] != nullptr) row[c] = (*columns[c])[i];
      out[i] = correction.evaluate(row);
    }
  });
}
#endif

nlohmann::ordered_json measure(const std::string& name, const Jets& jets) {
  const std::filesystem::path file = kJson;
  const JetCorrector corrector = JetCorrector::open(std::span(&file, 1), name);
  JetTable table;
  table.rows = kRows;
  table.columns = {
      {"JetPt", jets.pt}, {"JetEta", jets.eta}, {"JetA", jets.area}, {"Rho", jets.rho}};
  table.texts["systematic"] = jets.systematic;
  std::vector<double> ours(kRows);
  const double seconds = shortest([&] { corrector.factors(table, ours); });
  nlohmann::ordered_json result{{"correction", name}, {"jetcal", figures(seconds)}};
#ifdef JETCAL_HAS_CORRECTIONLIB
  static const auto set = correction::CorrectionSet::from_file(kJson);
  std::vector<double> theirs(kRows);
  const auto compound = set->compound().find(name);
  const double peer = compound != set->compound().end()
                          ? run_library(*compound->second, jets, theirs)
                          : run_library(*set->at(name), jets, theirs);
  double difference = 0;
  for (std::size_t i = 0; i < kRows; ++i)
    difference = std::max(difference, std::abs(ours[i] / theirs[i] - 1));
  result["correctionlib"] = figures(peer);
  result["ratio"] = peer / seconds;
  result["largest_relative_difference"] = difference;
#endif
  return result;
}

int run() {
  nlohmann::ordered_json document{{"benchmark", "jec"},
                                  {"cpu", cpu_model()},
                                  {"isa", isa_name(active_isa())},
                                  {"commit", commit()},
                                  {"threads", 1},
                                  {"clock", "CPU time of the thread, shortest of 7 rounds"},
                                  {"rows", kRows}};
  if (!std::filesystem::exists(kJson)) {
    document["skipped"] = "the real CMS files are not beside the repository";
    std::cout << document.dump(2) << "\n";
    return 0;
  }
#ifndef JETCAL_HAS_CORRECTIONLIB
  document["without_peer"] = "correctionlib was not found when this was built";
#endif
  set_num_threads(1);
  const Jets jets = random_jets();
  document["results"] = nlohmann::ordered_json::array();
  for (const char* name : kCorrections) document["results"].push_back(measure(name, jets));
  std::cout << document.dump(2) << "\n";
  return 0;
}

}  // namespace
}  // namespace jetcal::jec

int main() { return jetcal::jec::run(); }
