// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/jet_collector.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/stop.h"
#include "jetcal/cli/jet_correction.h"
#include "jetcal/data/branch_reader.h"
#include "jetcal/jec/jet_corrector.h"
#include "jetcal/models/predictor.h"

namespace jetcal::cli {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::int64_t kBatchJets = 4096;
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

}  // namespace

/// Corrects the jets of views; needs nothing but their columns.
class AppliedCorrector {
 public:
  AppliedCorrector() = default;
  virtual ~AppliedCorrector() = default;
  AppliedCorrector(const AppliedCorrector&) = delete;
  AppliedCorrector& operator=(const AppliedCorrector&) = delete;
  virtual void add(const edm::JetView& jets) = 0;
  /// Returns pt_corr of all jets added, and adds to the description what happened to them.
  virtual std::vector<float> finish(Json& description) = 0;
};

namespace {

// A network, by the way that jetcal predict goes.
class AppliedModel : public AppliedCorrector {
 public:
  AppliedModel(const std::filesystem::path& path, Json& description)
      : AppliedModel(models::load_model(path), path, description) {}
  void add(const edm::JetView& jets) override { correction_.add(jets); }
  std::vector<float> finish(Json& description) override {
    CorrectedJets jets = correction_.finish();
    description["corrected"] = jets.corrected;
    description["not_corrected"] = {{"pt_not_positive", jets.pt_not_positive},
                                    {"features_not_finite", jets.features_not_finite},
                                    {"prediction_not_finite", jets.prediction_not_finite}};
    description["dropped_particles"] = jets.dropped_particles;
    return std::move(jets.pt_corr);
  }

 private:
  AppliedModel(const models::Model& model, const std::filesystem::path& path, Json& description)
      : predictor_(model),
        correction_({model.config.inputs()}, kBatchJets,
                    [this](const edm::FeatureView& features, std::span<float> y, std::span<float>) {
                      predictor_.predict(features, y);
                    }) {
    description["path"] = path.string();
    description["network"] = models::network_name(model.config.network);
    description["input_mode"] = edm::input_mode_name(model.config.input_mode);
    description["fingerprint"] = models::fingerprint(model);
  }
  models::Predictor predictor_;
  NetworkCorrection correction_;
};

// Columns that a conventional correction may ask for.
const std::map<std::string, std::span<const float> edm::JetView::*>& correction_inputs() {
  static const std::map<std::string, std::span<const float> edm::JetView::*> inputs{
      {"JetPt", &edm::JetView::pt_raw},
      {"JetEta", &edm::JetView::eta},
      {"JetPhi", &edm::JetView::phi},
      {"JetA", &edm::JetView::area},
      {"Rho", &edm::JetView::rho}};
  return inputs;
}

class AppliedJec : public AppliedCorrector {
 public:
  AppliedJec(const CorrectorSpec& spec, Json& description)
      : corrector_(jec::JetCorrector::open(spec.files, spec.correction)) {
    for (const std::string& input : corrector_.inputs()) {
      if (correction_inputs().count(input) == 0)
        fail(ErrorCode::InvalidArgument, "the corrector ", spec.name, " needs ", input,
             ", which the jets of an analysis do not have");
    }
    if (!corrector_.text_inputs().empty())
      fail(ErrorCode::InvalidArgument, "the corrector ", spec.name, " needs the text ",
           corrector_.text_inputs().front(), ": it is not a correction of the momentum");
    description["files"] = Json::array();
    for (const std::filesystem::path& file : spec.files)
      description["files"].push_back(file.string());
    if (!spec.correction.empty()) description["correction"] = spec.correction;
    description["levels"] = Json::array();
    for (std::size_t i = 0; i < corrector_.num_levels(); ++i)
      description["levels"].push_back(corrector_.level_name(i));
  }

  void add(const edm::JetView& jets) override {
    std::vector<std::int64_t> rows;  // whose inputs are numbers
    for (std::int64_t row = 0; row < jets.num_jets; ++row) {
      const bool good =
          jets.pt_raw[row] > 0 &&
          std::all_of(correction_inputs().begin(), correction_inputs().end(),
                      [&](const auto& input) { return std::isfinite((jets.*input.second)[row]); });
      if (good) rows.push_back(row);
    }
    std::map<std::string, std::vector<double>> columns;
    jec::JetTable table;
    table.rows = static_cast<std::int64_t>(rows.size());
    for (const auto& [name, member] : correction_inputs()) {
      std::vector<double>& column = columns[name];
      for (const std::int64_t row : rows) column.push_back((jets.*member)[row]);
      table.columns[name] = column;
    }
    std::vector<double> factors(rows.size());
    outside_bins_ += corrector_.factors(table, factors).count;
    const std::size_t first = pt_corr_.size();
    pt_corr_.resize(first + jets.num_jets, kNone);
    for (std::size_t i = 0; i < rows.size(); ++i)
      pt_corr_[first + rows[i]] = static_cast<float>(factors[i] * jets.pt_raw[rows[i]]);
    not_finite_ += jets.num_jets - table.rows;
  }

  std::vector<float> finish(Json& description) override {
    description["outside_bins"] = outside_bins_;
    description["inputs_not_finite"] = not_finite_;
    return std::move(pt_corr_);
  }

 private:
  jec::JetCorrector corrector_;
  std::vector<float> pt_corr_;
  std::int64_t outside_bins_ = 0, not_finite_ = 0;
};

class AppliedRaw : public AppliedCorrector {
 public:
  void add(const edm::JetView& jets) override {
    pt_raw_.insert(pt_raw_.end(), jets.pt_raw.begin(), jets.pt_raw.end());
  }
  std::vector<float> finish(Json&) override { return std::move(pt_raw_); }

 private:
  std::vector<float> pt_raw_;
};

Json describe_branches(const CorrectorSpec& spec) {
  if (spec.kind == CorrectorKind::Branch)
    return {{"name", spec.name}, {"kind", "branch"}, {"branch", spec.branches[0]}};
  return {{"name", spec.name},
          {"kind", "factor"},
          {"pt_corr", fmt::format("pt_raw * {}", fmt::join(spec.branches, " * "))}};
}

}  // namespace

JetCollector::JetCollector(const std::vector<CorrectorSpec>& specs, const std::string& baseline)
    : specs_(specs) {
  sample_.correctors.push_back({baseline, {}});
  description_.push_back({{"name", baseline}, {"kind", "pt_reco"}});
  for (const CorrectorSpec& spec : specs_) {
    sample_.correctors.push_back({spec.name, {}});
    Json description{{"name", spec.name}};
    std::unique_ptr<AppliedCorrector> applied;
    switch (spec.kind) {
      case CorrectorKind::Model:
        description["kind"] = "model";
        applied = std::make_unique<AppliedModel>(spec.model, description);
        break;
      case CorrectorKind::Jec:
        description["kind"] = "jec";
        applied = std::make_unique<AppliedJec>(spec, description);
        break;
      case CorrectorKind::Raw:
        description["kind"] = "pt_raw";
        applied = std::make_unique<AppliedRaw>();
        break;
      case CorrectorKind::Factor:
        keep_pt_raw_ = true;
        description = describe_branches(spec);
        break;
      case CorrectorKind::Branch:
        description = describe_branches(spec);
        break;
    }
    applied_.push_back(std::move(applied));
    description_.push_back(std::move(description));
  }
}

JetCollector::~JetCollector() = default;

void JetCollector::check_input(const std::string& input, bool branches, bool particles) const {
  for (const CorrectorSpec& spec : specs_) {
    if (reads_branches(spec) && !branches) {
      fail(ErrorCode::InvalidArgument, "the corrector ", spec.name,
           " reads branches and needs a ROOT file as input, got the folder ", input);
    }
    if (spec.kind == CorrectorKind::Model && !particles) {
      fail(ErrorCode::FailedPrecondition, "the corrector ", spec.name,
           " is a network, and the jets of ", input,
           " come without particle-flow candidates, which every network needs");
    }
  }
}

void JetCollector::add(const edm::JetView& jets) {
  if (stop_requested()) fail(ErrorCode::Cancelled, "stopped while jets were corrected");
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(sample_.pt_gen, jets.pt_gen);
  append(sample_.eta_gen, jets.eta_gen);
  append(sample_.pt_reco, jets.pt_reco);
  append(sample_.correctors[0].pt_corr, jets.pt_reco);
  append(sample_.pileup[0], jets.num_vertices);
  append(sample_.pileup[1], jets.num_pileup);
  append(sample_.pileup[2], jets.rho);
  if (keep_pt_raw_) append(pt_raw_, jets.pt_raw);
  for (std::int64_t row = 0; row < jets.num_jets; ++row)
    sample_.flavor.push_back(edm::jet_flavor(jets.hadron_flavor[row], jets.parton_flavor[row]));
  for (const std::unique_ptr<AppliedCorrector>& applied : applied_) {
    if (applied) applied->add(jets);
  }
}

void JetCollector::add_branches(const std::filesystem::path& path, const std::string& tree) {
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (!reads_branches(specs_[i])) continue;
    std::vector<float>& pt_corr = sample_.correctors[i + 1].pt_corr;
    const std::size_t first = pt_corr.size();
    const auto jets = static_cast<std::size_t>(sample_.num_jets()) - first;
    if (specs_[i].kind == CorrectorKind::Factor)
      pt_corr.insert(pt_corr.end(), pt_raw_.begin() + static_cast<std::ptrdiff_t>(first),
                     pt_raw_.end());
    for (const std::string& branch : specs_[i].branches) {
      const std::vector<float> values = data::read_branch(path, tree, branch);
      if (values.size() != jets) {
        fail(ErrorCode::InvalidArgument, path.string(), ": the branch ", branch, " has ",
             values.size(), " values, not one for each of ", jets, " jets");
      }
      if (specs_[i].kind == CorrectorKind::Branch) {
        pt_corr.insert(pt_corr.end(), values.begin(), values.end());
        continue;
      }
      for (std::size_t jet = 0; jet < jets; ++jet) pt_corr[first + jet] *= values[jet];
    }
  }
}

analysis::JetSample JetCollector::finish() {
  for (std::size_t i = 0; i < applied_.size(); ++i) {
    if (applied_[i]) sample_.correctors[i + 1].pt_corr = applied_[i]->finish(description_[i + 1]);
  }
  return std::move(sample_);
}

}  // namespace jetcal::cli
