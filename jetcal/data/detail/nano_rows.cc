// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numbers>
#include <optional>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/jet_rows.h"

namespace jetcal::data::detail {
namespace {

constexpr double kBoxHalfWidth = 1.0;  // as in the JetNTuple
// Values of pvAssocQuality.
constexpr std::int64_t kCompatibilityBTag = 4, kUsedInFitLoose = 6, kUsedInFitTight = 7;

double wrap_phi(double phi) {
  return phi - 2 * std::numbers::pi * std::round(phi / (2 * std::numbers::pi));
}

// Particle flow gives neutral candidates the numbers of a photon, a K0L, and, in the forward
// calorimeter, 1 and 2.
bool is_charged(std::int64_t pdg_id) {
  return pdg_id != 22 && pdg_id != 130 && std::abs(pdg_id) > 2;
}

// NanoAOD stores the quality of the association to the closest vertex, but not which vertex that
// is. MiniAOD's fromPV() needs both, so the PUPPI weight (0 for charged pileup) stands in for the
// second: in real CHS jets, which keep fromPV > 0 only, no candidate with quality 6 or 7 and weight
// 0 occurs.
std::uint8_t from_pv(bool charged, std::int64_t pdg_id, std::int64_t quality, float puppi_weight) {
  if (!charged) return 3;  // MiniAOD assigns every neutral candidate to the first vertex
  const bool leading = puppi_weight > 0;
  if (quality == kUsedInFitTight && leading) return 3;
  if (leading && quality >= kCompatibilityBTag) return 2;
  if (std::abs(pdg_id) == 11 || std::abs(pdg_id) == 13) return 2;
  return quality == kUsedInFitLoose || quality == kUsedInFitTight ? 0 : 1;
}

// Sums of the quark-gluon variables over the constituents of one jet.
struct QuarkGluonSums {
  double pt = 0, weight = 0, eta = 0, phi = 0, eta2 = 0, phi2 = 0, eta_phi = 0;
  std::int32_t mult = 0;

  void add(double pt_pf, double d_eta, double d_phi, bool charged, bool from_vertex) {
    const double w = pt_pf * pt_pf;
    pt += pt_pf;
    weight += w;
    eta += w * d_eta;
    phi += w * d_phi;
    eta2 += w * d_eta * d_eta;
    phi2 += w * d_phi * d_phi;
    eta_phi += w * d_eta * d_phi;
    mult += charged ? from_vertex : pt_pf > 1;
  }
  float pt_d() const { return pt > 0 ? static_cast<float>(std::sqrt(weight) / pt) : 0.0F; }
  // The minor axis of the ellipse of second moments, weighted with pT squared.
  float axis2() const {
    if (weight <= 0) return 0;
    const double a = eta2 / weight - eta / weight * eta / weight;
    const double b = phi2 / weight - phi / weight * phi / weight;
    const double c = eta_phi / weight - eta / weight * phi / weight;
    const double delta = std::sqrt((a - b) * (a - b) + 4 * c * c);
    return static_cast<float>(std::sqrt(std::max(0.0, 0.5 * (a + b - delta))));
  }
};

class NanoRows final : public RootJetReader::Rows {
 public:
  NanoRows(std::unique_ptr<Table> table, std::string path, bool with_candidates)
      : Rows(std::move(table)), path_(std::move(path)), with_candidates_(with_candidates) {
    bind_jets();
    bind_event();
    if (with_candidates_) {
      bind_candidates();
    } else {
      missing_ = {"particle-flow candidates", "quark-gluon variables"};
    }
  }

  void read(std::int64_t entry, edm::JetColumns& jets, JetOrigins* origins) override {
    table_->load(entry);
    const std::size_t num_jets = check_lengths(entry, {pt_, eta_, phi_, mass_, area_, raw_factor_},
                                               {gen_index_, hadron_, parton_});
    check_lengths(entry, {gen_pt_, gen_eta_}, {});
    if (with_candidates_) {
      check_candidates(entry);
      assign_owners(entry, num_jets);
    }
    for (std::size_t jet = 0; jet < num_jets; ++jet) {
      if (with_candidates_) {
        append_particles(jet, jets);
      } else {
        append_no_particles(jets);
      }
      append_jet(jet, jets);
      if (origins != nullptr) {
        origins->entry.push_back(entry);
        origins->jet.push_back(static_cast<std::int32_t>(jet));
      }
    }
  }

  std::vector<std::string> missing() const override { return missing_; }

 private:
  using Handle = Table::Handle;

  Handle list(const std::string& name, Kind kind) { return table_->bind(name, kind, Shape::List); }

  // Binds a column that the leaner candidates of newer NanoAOD lack.
  std::optional<Handle> optional_list(const std::string& name, Kind kind) {
    if (table_->has(name)) return list(name, kind);
    missing_.push_back(name);
    return std::nullopt;
  }

  void bind_candidates() {
    const bool plural = table_->has("PFCands_pt") || table_->has("JetPFCands_jetIdx");
    const std::string pf = plural ? "PFCands_" : "PFCand_";
    const std::string link = plural ? "JetPFCands_" : "JetPFCand_";
    pf_pt_ = list(pf + "pt", Kind::Real);
    pf_eta_ = list(pf + "eta", Kind::Real);
    pf_phi_ = list(pf + "phi", Kind::Real);
    pf_mass_ = list(pf + "mass", Kind::Real);
    pf_id_ = list(pf + "pdgId", Kind::Integer);
    if (plural) {
      pf_charge_ = list(pf + "charge", Kind::Integer);
      pf_quality_ = list(pf + "pvAssocQuality", Kind::Integer);
      pf_puppi_ = list(pf + "puppiWeight", Kind::Real);
    } else {
      pf_charge_ = optional_list(pf + "charge", Kind::Integer);
      pf_quality_ = optional_list(pf + "pvAssocQuality", Kind::Integer);
      pf_puppi_ = optional_list(pf + "puppiWeight", Kind::Real);
    }
    link_jet_ = list(link + "jetIdx", Kind::Integer);
    const std::string index = table_->has(link + "pFCandsIdx") ? "pFCandsIdx" : "pfCandIdx";
    link_pf_ = list(link + index, Kind::Integer);
  }

  void bind_jets() {
    pt_ = list("Jet_pt", Kind::Real);
    eta_ = list("Jet_eta", Kind::Real);
    phi_ = list("Jet_phi", Kind::Real);
    mass_ = list("Jet_mass", Kind::Real);
    area_ = list("Jet_area", Kind::Real);
    raw_factor_ = list("Jet_rawFactor", Kind::Real);
    gen_index_ = list("Jet_genJetIdx", Kind::Integer);
    hadron_ = list("Jet_hadronFlavour", Kind::Integer);
    parton_ = list("Jet_partonFlavour", Kind::Integer);
    gen_pt_ = list("GenJet_pt", Kind::Real);
    gen_eta_ = list("GenJet_eta", Kind::Real);
  }

  void bind_event() {
    const char* rho = table_->has("Rho_fixedGridRhoFastjetAll") ? "Rho_fixedGridRhoFastjetAll"
                                                                : "fixedGridRhoFastjetAll";
    rho_ = table_->bind(rho, Kind::Real, Shape::Scalar);
    num_vertices_ = table_->bind("PV_npvsGood", Kind::Integer, Shape::Scalar);
    num_pileup_ = table_->bind("Pileup_nTrueInt", Kind::Real, Shape::Scalar);
    event_ = table_->bind("event", Kind::Integer, Shape::Scalar);
    weight_ = table_->bind("genWeight", Kind::Real, Shape::Scalar);
  }

  void check_candidates(std::int64_t entry) const {
    check_lengths(entry, {pf_pt_, pf_eta_, pf_phi_, pf_mass_, pf_puppi_.value_or(pf_pt_)},
                  {pf_id_, pf_charge_.value_or(pf_id_), pf_quality_.value_or(pf_id_)});
  }

  // Returns the common length of the columns of one collection.
  std::size_t check_lengths(std::int64_t entry, std::initializer_list<Handle> reals,
                            std::initializer_list<Handle> integers) const {
    const std::size_t want = table_->reals(*reals.begin()).size();
    bool same = true;
    for (const Handle handle : reals) same = same && table_->reals(handle).size() == want;
    for (const Handle handle : integers) same = same && table_->integers(handle).size() == want;
    if (!same) {
      fail(ErrorCode::DataLoss, "entry ", entry, " of ", path_,
           " has branches of one collection with different lengths");
    }
    return want;
  }

  // Sets owner_ to the jet of every candidate, -1 where there is none. Links to jets or candidates
  // that the file does not store are skipped and counted.
  void assign_owners(std::int64_t entry, std::size_t num_jets) {
    const auto link_jet = table_->integers(link_jet_);
    const auto link_pf = table_->integers(link_pf_);
    if (link_jet.size() != link_pf.size()) {
      fail(ErrorCode::DataLoss, "entry ", entry, " of ", path_,
           " has branches of one collection with different lengths");
    }
    owner_.assign(table_->reals(pf_pt_).size(), -1);
    for (std::size_t i = 0; i < link_jet.size(); ++i) {
      const auto jet = static_cast<std::uint64_t>(link_jet[i]);
      const auto pf = static_cast<std::uint64_t>(link_pf[i]);
      if (jet >= num_jets || pf >= owner_.size()) {
        ++skipped_links;
        continue;
      }
      owner_[pf] = link_jet[i];
    }
  }

  void append_particles(std::size_t jet, edm::JetColumns& jets) {
    const double jet_eta = table_->reals(eta_)[jet];
    const double jet_phi = table_->reals(phi_)[jet];
    const auto pt = table_->reals(pf_pt_), eta = table_->reals(pf_eta_);
    const auto phi = table_->reals(pf_phi_), mass = table_->reals(pf_mass_);
    const auto id = table_->integers(pf_id_);
    QuarkGluonSums sums;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < pt.size(); ++i) {
      const bool own = owner_[i] == static_cast<std::int64_t>(jet);
      const double d_eta = eta[i] - jet_eta;
      const double d_phi = wrap_phi(phi[i] - jet_phi);
      if (!own && !(std::abs(d_eta) < kBoxHalfWidth && std::abs(d_phi) < kBoxHalfWidth)) continue;
      const bool charged = pf_charge_ ? table_->integers(*pf_charge_)[i] != 0 : is_charged(id[i]);
      const std::uint8_t pv = vertex_of(i, charged, id[i]);
      jets.pf_pt.push_back(pt[i]);
      jets.pf_d_eta.push_back(static_cast<float>(d_eta));
      jets.pf_d_phi.push_back(static_cast<float>(d_phi));
      jets.pf_mass.push_back(mass[i]);
      jets.pf_id.push_back(static_cast<std::int32_t>(id[i]));
      jets.pf_from_pv.push_back(pv);
      jets.pf_from_jet.push_back(own ? 1 : 0);
      if (own) sums.add(pt[i], d_eta, d_phi, charged, pv == 3);
      ++count;
    }
    jets.offsets.push_back(jets.offsets.back() + count);
    jets.qg_pt_d.push_back(sums.pt_d());
    jets.qg_axis2.push_back(sums.axis2());
    jets.qg_mult.push_back(sums.mult);
  }

  std::uint8_t vertex_of(std::size_t i, bool charged, std::int64_t id) const {
    // Without these two the file holds candidates that PUPPI kept: those of the leading vertex.
    const std::int64_t quality = pf_quality_ ? table_->integers(*pf_quality_)[i] : kUsedInFitTight;
    const float puppi = pf_puppi_ ? table_->reals(*pf_puppi_)[i] : 1.0F;
    return from_pv(charged, id, quality, puppi);
  }

  static void append_no_particles(edm::JetColumns& jets) {
    jets.offsets.push_back(jets.offsets.back());
    jets.qg_pt_d.push_back(0);
    jets.qg_axis2.push_back(0);
    jets.qg_mult.push_back(0);
  }

  void append_jet(std::size_t jet, edm::JetColumns& jets) {
    const float pt = table_->reals(pt_)[jet];
    jets.pt_reco.push_back(pt);
    jets.eta.push_back(table_->reals(eta_)[jet]);
    jets.phi.push_back(table_->reals(phi_)[jet]);
    jets.mass.push_back(table_->reals(mass_)[jet]);
    jets.area.push_back(table_->reals(area_)[jet]);
    jets.pt_raw.push_back(pt * (1 - table_->reals(raw_factor_)[jet]));
    const auto gen_pt = table_->reals(gen_pt_);
    // The index may point beyond the stored generator jets, which are cut at 10 GeV.
    const std::int64_t index = table_->integers(gen_index_)[jet];
    const auto gen = static_cast<std::size_t>(index);
    const bool matched = index >= 0 && gen < gen_pt.size();
    unstored_gen_jets += index >= 0 && !matched ? 1 : 0;
    jets.pt_gen.push_back(matched ? gen_pt[gen] : 0);
    jets.eta_gen.push_back(matched ? table_->reals(gen_eta_)[gen] : 0);
    jets.hadron_flavor.push_back(static_cast<std::int32_t>(table_->integers(hadron_)[jet]));
    jets.parton_flavor.push_back(static_cast<std::int32_t>(table_->integers(parton_)[jet]));
    jets.rho.push_back(table_->real(rho_));
    jets.num_vertices.push_back(static_cast<std::int32_t>(table_->integer(num_vertices_)));
    jets.num_pileup.push_back(table_->real(num_pileup_));
    jets.event.push_back(static_cast<std::uint64_t>(table_->integer(event_)));
    jets.weight.push_back(table_->real(weight_));
  }

  std::string path_;
  bool with_candidates_;
  std::vector<std::string> missing_;
  std::vector<std::int64_t> owner_;
  Handle pt_{}, eta_{}, phi_{}, mass_{}, area_{}, raw_factor_{}, gen_index_{}, hadron_{}, parton_{};
  Handle gen_pt_{}, gen_eta_{}, rho_{}, num_vertices_{}, num_pileup_{}, event_{}, weight_{};
  Handle pf_pt_{}, pf_eta_{}, pf_phi_{}, pf_mass_{}, pf_id_{}, link_jet_{}, link_pf_{};
  std::optional<Handle> pf_charge_, pf_quality_, pf_puppi_;
};

}  // namespace

std::unique_ptr<RootJetReader::Rows> make_nano_rows(std::unique_ptr<Table> table, std::string path,
                                                    bool with_candidates) {
  return std::make_unique<NanoRows>(std::move(table), std::move(path), with_candidates);
}

bool has_candidates(const Table& table) {
  if (table.has("JetPFCands_jetIdx") || table.has("JetPFCand_jetIdx")) return true;
  // Candidates of AK8 jets only are of no use here; others without links lack a branch.
  return table.has("PFCands_pt") && !table.has("FatJetPFCands_jetIdx");
}

std::string nano_version(const Table& table) {
  if (!table.has("Rho_fixedGridRhoFastjetAll")) return "v8-like";
  return table.has("Jet_UParTAK4RegPtRawCorr") || table.has("PFCand_pt") ? "v15-like" : "v12-like";
}

}  // namespace jetcal::data::detail
