// SPDX-License-Identifier: Apache-2.0
// jetcal jec apply: a ROOT file in, the same tree with the corrected pT of every jet out.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <regex>

#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/crash_report.h"
#include "jetcal/cli/jec_parts.h"
#include "jetcal/data/root_jet_reader.h"
#include "jetcal/data/write_with_branch.h"
#include "jetcal/jec/jet_corrector.h"

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr std::int64_t kEntriesAtOnce = 5000;

struct ApplyOptions {
  std::vector<std::string> correction, input;
  std::string name, output, branch = "jetPtJEC", tree;
};

struct AppliedFile {
  std::string input, output;
  std::vector<float> pt;  // corrected, NaN where the inputs are not finite
  std::int64_t not_finite = 0;
  std::int64_t outside = 0;
  double largest_difference = 0;      // relative, to the corrected pT that the file holds
  std::vector<std::string> left_out;  // objects of the input that could not be copied
};

// The columns of jets that corrections know, by the names of CMS.
struct Columns {
  std::vector<double> pt, eta, phi, area, rho, npv;
  std::vector<std::size_t> rows;  // of the chunk
};

Columns finite_columns(const edm::JetColumns& jets) {
  Columns columns;
  for (std::size_t i = 0; i < jets.pt_raw.size(); ++i) {
    if (!std::isfinite(jets.pt_raw[i]) || !std::isfinite(jets.eta[i]) ||
        !std::isfinite(jets.phi[i]) || !std::isfinite(jets.area[i]) || !std::isfinite(jets.rho[i]))
      continue;
    columns.pt.push_back(jets.pt_raw[i]);
    columns.eta.push_back(jets.eta[i]);
    columns.phi.push_back(jets.phi[i]);
    columns.area.push_back(jets.area[i]);
    columns.rho.push_back(jets.rho[i]);
    columns.npv.push_back(jets.num_vertices[i]);
    columns.rows.push_back(i);
  }
  return columns;
}

void correct_chunk(const jec::JetCorrector& corrector, const edm::JetColumns& jets,
                   AppliedFile& file) {
  const Columns columns = finite_columns(jets);
  const std::size_t begin = file.pt.size();
  file.pt.resize(begin + jets.pt_raw.size(), std::numeric_limits<float>::quiet_NaN());
  file.not_finite += static_cast<std::int64_t>(jets.pt_raw.size() - columns.rows.size());
  jec::JetTable table;
  table.rows = static_cast<std::int64_t>(columns.rows.size());
  table.columns = {{"JetPt", columns.pt},  {"JetEta", columns.eta}, {"JetPhi", columns.phi},
                   {"JetA", columns.area}, {"Rho", columns.rho},    {"NPV", columns.npv}};
  std::vector<double> factors(columns.rows.size());
  file.outside += corrector.factors(table, factors).count;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double pt = columns.pt[i] * factors[i];
    if (!std::isfinite(pt)) {  // stays NaN
      ++file.not_finite;
      continue;
    }
    file.pt[begin + columns.rows[i]] = static_cast<float>(pt);
    const double stored = jets.pt_reco[columns.rows[i]];
    if (stored > 0)
      file.largest_difference = std::max(file.largest_difference, std::abs(pt / stored - 1));
  }
}

AppliedFile apply(const jec::JetCorrector& corrector, const ApplyOptions& options,
                  const std::string& input, const std::string& output) {
  data::RootJetReader reader(input, options.tree);
  if (reader.source().storage == data::Storage::RNTuple)
    fail(ErrorCode::Unimplemented, input,
         " holds an RNTuple; branches can only be added to a TTree");
  AppliedFile file;
  file.input = input;
  file.output = output;
  Progress bar("apply", reader.source().num_entries, "entries");
  try {
    while (true) {
      edm::JetColumns jets;
      if (reader.read(kEntriesAtOnce, jets) == 0) break;
      correct_chunk(corrector, jets, file);
      bar.update(reader.next_entry());
      if (stop_requested()) fail(ErrorCode::Cancelled, "stopped by a signal");
    }
  } catch (const Error& error) {
    fail(error.code(), input, ": ", error.what());
  }
  bar.finish();
  file.left_out = data::write_with_branch(input, options.tree, output, options.branch, file.pt);
  return file;
}

void validate(const ApplyOptions& options) {
  if (options.correction.empty())
    fail(ErrorCode::InvalidArgument, "the correction is missing: give --correction FILE...");
  if (options.input.empty())
    fail(ErrorCode::InvalidArgument, "the input is missing: give --input FILE.root");
  if (options.output.empty())
    fail(ErrorCode::InvalidArgument, "the output is missing: give --output FILE.root");
  if (!std::regex_match(options.branch, std::regex("[A-Za-z_][A-Za-z0-9_]*")))
    fail(ErrorCode::InvalidArgument, "a branch is named with letters, digits and '_', not '",
         options.branch, "'");
}

// One input goes to the output file; several go to a folder under their names.
std::vector<std::string> output_paths(const ApplyOptions& options) {
  std::vector<std::string> outputs;
  for (const std::string& input : options.input) {
    const bool folder = options.input.size() > 1 || fs::is_directory(options.output);
    outputs.push_back(folder ? (fs::path(options.output) / fs::path(input).filename()).string()
                             : options.output);
    std::error_code ignored;
    if (fs::equivalent(input, outputs.back(), ignored))
      fail(ErrorCode::InvalidArgument, "the output would overwrite the input ", input);
    if (std::find(outputs.begin(), outputs.end() - 1, outputs.back()) != outputs.end() - 1)
      fail(ErrorCode::InvalidArgument, "two inputs would be written to ", outputs.back());
  }
  return outputs;
}

int run_apply(const ApplyOptions& options, bool json) {
  report_crashes("jec apply");
  validate(options);
  const std::vector<std::string> outputs = output_paths(options);
  const std::vector<fs::path> files(options.correction.begin(), options.correction.end());
  const jec::JetCorrector corrector = jec::JetCorrector::open(files, options.name);
  Json list = Json::array();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const AppliedFile file = apply(corrector, options, options.input[i], outputs[i]);
    list.push_back({{"input", file.input},
                    {"output", file.output},
                    {"jets", file.pt.size()},
                    {"corrected", static_cast<std::int64_t>(file.pt.size()) - file.not_finite},
                    {"not_finite", file.not_finite},
                    {"outside_bins", file.outside},
                    {"largest_relative_difference_to_stored_pt", file.largest_difference},
                    {"left_out", file.left_out}});
    if (json) continue;
    fmt::print("{}: {} jets, {} NaN, {} outside every bin; branch {} is in {}\n", file.input,
               file.pt.size(), file.not_finite, file.outside, options.branch, file.output);
    if (!file.left_out.empty())
      fmt::print("not copied from the input: {}\n", fmt::join(file.left_out, ", "));
  }
  if (json)
    print_json({{"correction", options.correction},
                {"name", options.name},
                {"branch", options.branch},
                {"files", std::move(list)}});
  return 0;
}

}  // namespace

JecPart add_jec_apply(CLI::App& jec, CommonOptions& common) {
  CLI::App* const app =
      jec.add_subcommand("apply", "add the corrected pT to the jets of ROOT files")->fallthrough();
  const auto options = std::make_shared<ApplyOptions>();  // shared: std::function copies
  app->add_option("--correction", options->correction,
                  "text files in the order in which they are applied, or one correctionlib JSON");
  app->add_option("--name", options->name, "correction of a JSON, or section of a text file");
  app->add_option("--input", options->input, "ROOT files: JetNTuple, PFNano or NanoAOD");
  app->add_option("--output", options->output, "ROOT file to write; a folder for several inputs");
  app->add_option("--branch", options->branch, "name of the new branch (jetPtJEC)");
  app->add_option("--tree", options->tree, "tree to read (the one with jets)");
  return {app, [app, options, &common] {
            const Config config = load_config(common);
            ApplyOptions filled = *options;
            fill_from_config(*app, config, "correction", filled.correction);
            fill_from_config(*app, config, "name", filled.name);
            fill_from_config(*app, config, "input", filled.input);
            fill_from_config(*app, config, "output", filled.output);
            fill_from_config(*app, config, "branch", filled.branch);
            fill_from_config(*app, config, "tree", filled.tree);
            config.reject_unknown();
            return run_apply(filled, common.json);
          }};
}

}  // namespace jetcal::cli
