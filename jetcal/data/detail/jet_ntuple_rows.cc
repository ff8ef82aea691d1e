// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <limits>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/data/detail/jet_rows.h"

namespace jetcal::data::detail {
namespace {

template <typename T>
constexpr Kind kind_of() {
  return std::is_floating_point_v<T> ? Kind::Real : Kind::Integer;
}

// Names the branch of every column; the order is that of jet_columns.h.
struct BranchNames {
  const char *pt_reco = "jetPt", *eta = "jetEta", *phi = "jetPhi", *mass = "jetMass",
             *area = "jetArea", *pt_raw = "jetRawPt", *qg_pt_d = "QG_ptD", *qg_axis2 = "QG_axis2",
             *qg_mult = "QG_mult", *pt_gen = "genJetPt", *eta_gen = "genJetEta",
             *hadron_flavor = "hadronFlav", *parton_flavor = "partonFlav", *rho = "rhoAll",
             *num_vertices = "PV_npvsGood", *num_pileup = "Pileup_nTrueInt", *event = "event",
             *weight = "eventWeight";
  const char *pf_pt = "PF_pT", *pf_d_eta = "PF_dEta", *pf_d_phi = "PF_dPhi", *pf_mass = "PF_mass",
             *pf_id = "PF_id", *pf_from_pv = "PF_fromPV", *pf_from_jet = "PF_fromAK4Jet";
};

struct Handles {
#define JETCAL_HANDLE(type, name) Table::Handle name = 0;
  JETCAL_JET_COLUMNS(JETCAL_HANDLE)
  JETCAL_PARTICLE_COLUMNS(JETCAL_HANDLE)
#undef JETCAL_HANDLE
};

class JetNtupleRows final : public RootJetReader::Rows {
 public:
  JetNtupleRows(std::unique_ptr<Table> table, std::string path)
      : Rows(std::move(table)), path_(std::move(path)) {
    const BranchNames names;
#define JETCAL_BIND(type, name) \
  handles_.name = table_->bind(names.name, kind_of<type>(), Shape::Scalar);
    JETCAL_JET_COLUMNS(JETCAL_BIND)
#undef JETCAL_BIND
#define JETCAL_BIND(type, name) \
  handles_.name = table_->bind(names.name, kind_of<type>(), Shape::List);
    JETCAL_PARTICLE_COLUMNS(JETCAL_BIND)
#undef JETCAL_BIND
  }

  void read(std::int64_t entry, edm::JetColumns& jets, JetOrigins* origins) override {
    table_->load(entry);
    const std::size_t count = table_->reals(handles_.pf_pt).size();
#define JETCAL_APPEND(type, name) append_scalar(handles_.name, jets.name);
    JETCAL_JET_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
#define JETCAL_APPEND(type, name) append_list(handles_.name, #name, entry, count, jets.name);
    JETCAL_PARTICLE_COLUMNS(JETCAL_APPEND)
#undef JETCAL_APPEND
    jets.offsets.push_back(jets.offsets.back() + static_cast<std::int64_t>(count));
    if (origins != nullptr) {
      origins->entry.push_back(entry);
      origins->jet.push_back(0);
    }
  }

 private:
  template <typename T>
  void append_scalar(Table::Handle handle, std::vector<T>& to) {
    if constexpr (std::is_floating_point_v<T>) {
      to.push_back(table_->real(handle));
    } else {
      to.push_back(static_cast<T>(table_->integer(handle)));
    }
  }

  template <typename T>
  void append_list(Table::Handle handle, const char* column, std::int64_t entry, std::size_t count,
                   std::vector<T>& to) {
    if constexpr (std::is_floating_point_v<T>) {
      const auto values = table_->reals(handle);
      check_length(column, entry, values.size(), count);
      to.insert(to.end(), values.begin(), values.end());
    } else {
      const auto values = table_->integers(handle);
      check_length(column, entry, values.size(), count);
      for (const std::int64_t value : values) to.push_back(static_cast<T>(value));
    }
  }

  void check_length(const char* column, std::int64_t entry, std::size_t got,
                    std::size_t want) const {
    if (got == want) return;
    fail(ErrorCode::DataLoss, "entry ", entry, " of ", path_, " has ", want,
         " values of PF_pT but ", got, " in the branch of ", column);
  }

  std::string path_;
  Handles handles_;
};

}  // namespace

std::unique_ptr<RootJetReader::Rows> make_jet_ntuple_rows(std::unique_ptr<Table> table,
                                                          std::string path) {
  return std::make_unique<JetNtupleRows>(std::move(table), std::move(path));
}

}  // namespace jetcal::data::detail
