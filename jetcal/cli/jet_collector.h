// SPDX-License-Identifier: Apache-2.0
// Collects the jets of an analysis and corrects them with every corrector.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "jetcal/analysis/jet_sample.h"
#include "jetcal/cli/corrector_spec.h"
#include "jetcal/edm/jet_columns.h"

namespace jetcal::cli {

class AppliedCorrector;

/// Takes jets in chunks; keeps what the analysis needs of them, 28 bytes a jet and 4 for each
/// corrector.
class JetCollector {
 public:
  /// Opens models and correction files. Throws what loading them throws, and InvalidArgument for a
  /// correction that needs an input which jets do not have. The first corrector of the sample is
  /// `baseline`: pt_reco.
  JetCollector(const std::vector<CorrectorSpec>& specs, const std::string& baseline);
  ~JetCollector();
  JetCollector(const JetCollector&) = delete;
  JetCollector& operator=(const JetCollector&) = delete;

  /// Throws when a corrector cannot be used on this input: `branches`, it has branches (a ROOT
  /// file, no shards); `particles`, its jets have particles.
  void check_input(const std::string& input, bool branches, bool particles) const;

  /// Takes over the jets of a view. Throws Cancelled after a stop signal.
  void add(const edm::JetView& jets);
  /// Takes over the branches that correctors need of a file whose jets have all been added. The
  /// tree is named as for RootJetReader.
  void add_branches(const std::filesystem::path& path, const std::string& tree);

  std::int64_t num_jets() const noexcept { return sample_.num_jets(); }
  /// Ends the corrections and hands the jets over.
  analysis::JetSample finish();
  /// Describes the correctors with what they met: jets not corrected, and why. After finish().
  const nlohmann::ordered_json& description() const noexcept { return description_; }

 private:
  std::vector<CorrectorSpec> specs_;
  std::vector<std::unique_ptr<AppliedCorrector>> applied_;  // null where branches are read
  analysis::JetSample sample_;
  std::vector<float> pt_raw_;  // kept where a factor needs it
  bool keep_pt_raw_ = false;
  nlohmann::ordered_json description_ = nlohmann::ordered_json::array();
};

}  // namespace jetcal::cli
