// SPDX-License-Identifier: Apache-2.0
#include "tests/data/jet_ntuple_fixture.h"

#include <TFile.h>
#include <TKey.h>
#include <TLeaf.h>
#include <TTree.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <array>
#include <cmath>
#include <memory>
#include <regex>
#include <vector>

#include "jetcal/base/random.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::data {

SmallDisk::SmallDisk(const std::filesystem::path& folder, int kilobytes) : folder_(folder) {
  std::filesystem::create_directories(folder);
  const std::string size = "size=" + std::to_string(kilobytes) + "k";
  mounted_ = ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) static_cast<void>(::umount2(folder_.c_str(), MNT_DETACH));
}

edm::JetColumns make_jets(std::int64_t count, std::uint64_t seed) {
  Rng rng(seed);
  edm::JetColumns jets;
  const auto real = [&rng](double low, double high) {
    return static_cast<float>(low + (high - low) * rng.uniform());
  };
  for (std::int64_t i = 0; i < count; ++i) {
    jets.pt_reco.push_back(real(30, 500));
    jets.eta.push_back(real(-2.5, 2.5));
    jets.phi.push_back(real(-3.1, 3.1));
    jets.mass.push_back(real(1, 40));
    jets.area.push_back(real(0.4, 0.6));
    jets.pt_raw.push_back(real(25, 480));
    jets.qg_pt_d.push_back(real(0.1, 1));
    jets.qg_axis2.push_back(real(0, 0.2));
    jets.qg_mult.push_back(static_cast<std::int32_t>(rng.below(60)));
    // Some unmatched, some under the paper's cut.
    jets.pt_gen.push_back(i % 11 == 0 ? 0 : real(10, 500));
    jets.eta_gen.push_back(real(-2.8, 2.8));
    jets.hadron_flavor.push_back(static_cast<std::int32_t>(rng.below(3) * 5 % 6));
    jets.parton_flavor.push_back(static_cast<std::int32_t>(rng.below(11)) - 5);
    jets.rho.push_back(real(5, 40));
    jets.num_vertices.push_back(static_cast<std::int32_t>(rng.below(50)));
    jets.num_pileup.push_back(real(5, 60));
    jets.event.push_back(rng());  // all 64 bits
    jets.weight.push_back(real(0, 1e-6));
    const auto particles = static_cast<std::int64_t>(rng.below(13));
    for (std::int64_t p = 0; p < particles; ++p) {
      jets.pf_pt.push_back(real(0.2, 50));
      jets.pf_d_eta.push_back(real(-1, 1));
      jets.pf_d_phi.push_back(real(-1, 1));
      jets.pf_mass.push_back(real(0, 0.5));
      jets.pf_id.push_back(rng.below(2) == 0 ? 22 : -211);
      jets.pf_from_pv.push_back(static_cast<std::uint8_t>(rng.below(4)));
      jets.pf_from_jet.push_back(static_cast<std::uint8_t>(rng.below(2)));
    }
    jets.offsets.push_back(jets.offsets.back() + particles);
  }
  return jets;
}

namespace {

// Branch name, column: the types are those of the producer, where every small integer is an Int_t.
#define JETCAL_NTUPLE_SCALARS(X)        \
  X(jetPt, float, pt_reco)              \
  X(jetEta, float, eta)                 \
  X(jetPhi, float, phi)                 \
  X(jetMass, float, mass)               \
  X(jetArea, float, area)               \
  X(jetRawPt, float, pt_raw)            \
  X(QG_ptD, float, qg_pt_d)             \
  X(QG_axis2, float, qg_axis2)          \
  X(QG_mult, int, qg_mult)              \
  X(genJetPt, float, pt_gen)            \
  X(genJetEta, float, eta_gen)          \
  X(hadronFlav, int, hadron_flavor)     \
  X(partonFlav, int, parton_flavor)     \
  X(rhoAll, float, rho)                 \
  X(PV_npvsGood, int, num_vertices)     \
  X(Pileup_nTrueInt, float, num_pileup) \
  X(event, std::uint64_t, event)        \
  X(eventWeight, float, weight)
#define JETCAL_NTUPLE_LISTS(X)  \
  X(PF_pT, float, pf_pt)        \
  X(PF_dEta, float, pf_d_eta)   \
  X(PF_dPhi, float, pf_d_phi)   \
  X(PF_mass, float, pf_mass)    \
  X(PF_id, int, pf_id)          \
  X(PF_fromPV, int, pf_from_pv) \
  X(PF_fromAK4Jet, int, pf_from_jet)

template <typename T>
std::string leaf_letter() {
  if (std::is_same_v<T, float>) return "/F";
  return std::is_same_v<T, int> ? "/I" : "/l";
}

struct Buffers {
  int nPF = 0;
#define JETCAL_BUFFER(branch, type, column) type branch{};
  JETCAL_NTUPLE_SCALARS(JETCAL_BUFFER)
#undef JETCAL_BUFFER
#define JETCAL_BUFFER(branch, type, column) std::array<type, 64> branch{};
  JETCAL_NTUPLE_LISTS(JETCAL_BUFFER)
#undef JETCAL_BUFFER
  std::array<double, 2> wrong{};

  void set(const edm::JetColumns& jets, std::size_t row) {
    const auto begin = static_cast<std::size_t>(jets.offsets[row]);
    nPF = static_cast<int>(jets.offsets[row + 1] - jets.offsets[row]);
#define JETCAL_SET(branch, type, column) branch = jets.column[row];
    JETCAL_NTUPLE_SCALARS(JETCAL_SET)
#undef JETCAL_SET
#define JETCAL_SET(branch, type, column)                          \
  for (std::size_t i = 0; i < static_cast<std::size_t>(nPF); ++i) \
    branch[i] = static_cast<type>(jets.column[begin + i]);
    JETCAL_NTUPLE_LISTS(JETCAL_SET)
#undef JETCAL_SET
  }
};

void book(TTree& tree, Buffers& buffers, const FixtureOptions& options) {
  const auto add = [&](const std::string& name, void* address, const std::string& leaf) {
    if (name == options.skip_branch) return;
    if (name == options.wrong_branch) {
      tree.Branch(name.c_str(), buffers.wrong.data(), (name + "[2]/D").c_str());
      return;
    }
    tree.Branch(name.c_str(), address, leaf.c_str(), 4000);
  };
#define JETCAL_BOOK(branch, type, column) \
  add(#branch, &buffers.branch, std::string(#branch) + leaf_letter<type>());
  JETCAL_NTUPLE_SCALARS(JETCAL_BOOK)
#undef JETCAL_BOOK
  tree.Branch("nPF", &buffers.nPF, "nPF/I", 4000);
#define JETCAL_BOOK(branch, type, column)                                               \
  add(#branch, buffers.branch.data(),                                                   \
      std::string(std::string(#branch) == "PF_mass" ? "cPF_mass" : #branch) + "[nPF]" + \
          leaf_letter<type>());
  JETCAL_NTUPLE_LISTS(JETCAL_BOOK)
#undef JETCAL_BOOK
}

void write_tree(TFile& file, const edm::JetColumns& jets, const FixtureOptions& options) {
  TDirectory* folder = options.folder.empty() ? &file : file.mkdir(options.folder.c_str());
  folder->cd();
  TTree tree("jetTree", "jets");
  tree.SetAutoSave(0);
  Buffers buffers;
  book(tree, buffers, options);
  for (std::int64_t row = 0; row < jets.num_jets(); ++row) {
    buffers.set(jets, static_cast<std::size_t>(row));
    tree.Fill();
    if (options.second_cycle && row + 1 == jets.num_jets() / 2) tree.Write();
  }
  tree.Write();
}

void write_ntuple(TFile& file, const edm::JetColumns& jets, const FixtureOptions& options) {
  auto model = ROOT::RNTupleModel::CreateBare();
#define JETCAL_FIELD(branch, type, column)                                         \
  if (options.wrong_branch == #branch) {                                           \
    model->AddField(std::make_unique<ROOT::RField<std::vector<double>>>(#branch)); \
  } else if (options.skip_branch != #branch) {                                     \
    model->AddField(std::make_unique<ROOT::RField<type>>(#branch));                \
  }
  JETCAL_NTUPLE_SCALARS(JETCAL_FIELD)
#undef JETCAL_FIELD
#define JETCAL_FIELD(branch, type, column) \
  if (options.skip_branch != #branch)      \
    model->AddField(std::make_unique<ROOT::RField<std::vector<type>>>(#branch));
  JETCAL_NTUPLE_LISTS(JETCAL_FIELD)
#undef JETCAL_FIELD
  TDirectory* folder = options.folder.empty() ? &file : file.mkdir(options.folder.c_str());
  auto writer = ROOT::RNTupleWriter::Append(std::move(model), "jetTree", *folder);
  auto entry = writer->CreateEntry();
  for (std::int64_t i = 0; i < jets.num_jets(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const auto begin = static_cast<std::ptrdiff_t>(jets.offsets[row]);
    const auto end = static_cast<std::ptrdiff_t>(jets.offsets[row + 1]);
#define JETCAL_FILL(branch, type, column)                                \
  if (options.skip_branch != #branch && options.wrong_branch != #branch) \
    *entry->GetPtr<type>(#branch) = jets.column[row];
    JETCAL_NTUPLE_SCALARS(JETCAL_FILL)
#undef JETCAL_FILL
#define JETCAL_FILL(branch, type, column)                                          \
  if (options.skip_branch != #branch)                                              \
    entry->GetPtr<std::vector<type>>(#branch)->assign(jets.column.begin() + begin, \
                                                      jets.column.begin() + end);
    JETCAL_NTUPLE_LISTS(JETCAL_FILL)
#undef JETCAL_FILL
    writer->Fill(*entry);
  }
}

// One event of NanoAOD; Int is the type of its indices and flavors, Small that of its small
// numbers.
template <typename Count, typename Int, typename Small>
void write_events(TFile& file, Candidates candidates, const char* count_leaf, const char* int_leaf,
                  const char* small_leaf, const char* rho_name) {
  file.cd();
  TTree tree("Events", "Events");
  constexpr int kMost = 8;
  Count num_jets = 0, num_gen = 0, num_pf = 0, num_links = 0;
  std::array<float, kMost> pt{}, eta{}, phi{}, mass{}, area{}, raw{}, gen_pt{}, gen_eta{};
  std::array<Int, kMost> gen_index{}, parton{};
  std::array<Small, kMost> hadron{};
  std::array<float, kMost> pf_pt{}, pf_eta{}, pf_phi{}, pf_mass{}, pf_puppi{};
  std::array<int, kMost> pf_charge{}, pf_id{}, pf_quality{}, link_jet{}, link_pf{};
  float rho = 0, pileup = 0, weight = 0;
  Small vertices = 0;
  std::uint64_t event = 0;
  const auto add = [&tree](const std::string& name, void* at, const std::string& length,
                           const std::string& type) {
    tree.Branch(name.c_str(), at, (name + length + "/" + type).c_str());
  };
  const auto add_pf = [&](std::string name, void* at, std::string length, const char* type) {
    if (candidates == Candidates::None) return;
    if (candidates == Candidates::Lean) {
      for (const char* absent : {"charge", "pvAssocQuality", "puppiWeight"}) {
        if (name.ends_with(absent)) return;
      }
      name = std::regex_replace(name, std::regex("PFCands|pFCands"), "PFCand");
      name = std::regex_replace(name, std::regex("PFCandIdx"), "pfCandIdx");
      length = std::regex_replace(length, std::regex("PFCands"), "PFCand");
    }
    add(name, at, length, type);
  };
  add("nJet", &num_jets, "", count_leaf);
  add("nGenJet", &num_gen, "", count_leaf);
  add_pf("nPFCands", &num_pf, "", count_leaf);
  add_pf("nJetPFCands", &num_links, "", count_leaf);
  add("Jet_pt", pt.data(), "[nJet]", "F");
  add("Jet_eta", eta.data(), "[nJet]", "F");
  add("Jet_phi", phi.data(), "[nJet]", "F");
  add("Jet_mass", mass.data(), "[nJet]", "F");
  add("Jet_area", area.data(), "[nJet]", "F");
  add("Jet_rawFactor", raw.data(), "[nJet]", "F");
  add("Jet_genJetIdx", gen_index.data(), "[nJet]", int_leaf);
  add("Jet_partonFlavour", parton.data(), "[nJet]", int_leaf);
  add("Jet_hadronFlavour", hadron.data(), "[nJet]", small_leaf);
  add("GenJet_pt", gen_pt.data(), "[nGenJet]", "F");
  add("GenJet_eta", gen_eta.data(), "[nGenJet]", "F");
  add_pf("PFCands_pt", pf_pt.data(), "[nPFCands]", "F");
  add_pf("PFCands_eta", pf_eta.data(), "[nPFCands]", "F");
  add_pf("PFCands_phi", pf_phi.data(), "[nPFCands]", "F");
  add_pf("PFCands_mass", pf_mass.data(), "[nPFCands]", "F");
  add_pf("PFCands_puppiWeight", pf_puppi.data(), "[nPFCands]", "F");
  add_pf("PFCands_charge", pf_charge.data(), "[nPFCands]", "I");
  add_pf("PFCands_pdgId", pf_id.data(), "[nPFCands]", "I");
  add_pf("PFCands_pvAssocQuality", pf_quality.data(), "[nPFCands]", "I");
  add_pf("JetPFCands_jetIdx", link_jet.data(), "[nJetPFCands]", "I");
  add_pf("JetPFCands_pFCandsIdx", link_pf.data(), "[nJetPFCands]", "I");
  add(rho_name, &rho, "", "F");
  add("PV_npvsGood", &vertices, "", small_leaf);
  add("Pileup_nTrueInt", &pileup, "", "F");
  add("event", &event, "", "l");
  add("genWeight", &weight, "", "F");

  // An event with three jets: a match, none, and an index beyond the stored generator jets. The
  // first one sits at the seam of phi.
  num_jets = 3, num_gen = 1, num_pf = 6, num_links = 5;
  pt = {100, 50, 40}, eta = {0.5F, 0.5F, -2.0F}, phi = {3.0F, 0.0F, 1.0F}, mass = {10, 5, 4};
  area = {0.5F, 0.5F, 0.5F}, raw = {0.25F, 0, -0.5F};
  gen_index = {0, -1, 7}, parton = {-2, 21, 5}, hadron = {0, 4, 5};
  gen_pt = {90}, gen_eta = {0.45F};
  //        of jet 0       of jet 1     pileup in both boxes   of jet 2
  pf_pt = {40, 20, 0.5F, 30, 2, 10}, pf_eta = {0.5F, 0.75F, 0.25F, 0.5F, 1.0F, -2.25F};
  pf_phi = {3.0F, -3.0F, 2.75F, 0.25F, -3.0F, 1.0F}, pf_mass = {0.125F, 0, 0, 0.125F, 0.125F, 0};
  pf_puppi = {1, 0.5F, 0.5F, 1, 0, 1}, pf_charge = {1, 0, 0, -1, 1, 1};
  pf_id = {211, 22, 130, -13, 211, 211}, pf_quality = {7, 7, 7, 1, 7, 5};
  link_jet = {0, 0, 0, 1, 2}, link_pf = {0, 1, 2, 3, 77};  // the last link leads nowhere
  rho = 20, pileup = 30, weight = 0.5F, vertices = 25, event = 0xFEDCBA9876543210ULL;
  tree.Fill();
  num_jets = 0, num_gen = 0, num_links = 0, event = 2;
  tree.Fill();
  tree.Write();
}

}  // namespace

void write_jet_ntuple(const std::filesystem::path& path, const edm::JetColumns& jets,
                      const FixtureOptions& options) {
  TFile file(path.c_str(), "RECREATE");
  if (options.storage == Storage::TTree) {
    write_tree(file, jets, options);
  } else {
    write_ntuple(file, jets, options);
  }
  file.Close();
}

void write_nano(const std::filesystem::path& path, bool narrow, Candidates candidates,
                int compression) {
  TFile file(path.c_str(), "RECREATE", "", compression);
  if (narrow) {
    write_events<std::int32_t, std::int16_t, std::uint8_t>(file, candidates, "I", "S", "b",
                                                           "Rho_fixedGridRhoFastjetAll");
  } else {
    write_events<std::uint32_t, std::int32_t, std::int32_t>(file, candidates, "i", "I", "I",
                                                            "fixedGridRhoFastjetAll");
  }
  file.Close();
}

TEST(JetNtupleFixture, HasTheQuirksOfTheProducer) {
  const TemporaryFolder folder;
  write_jet_ntuple(folder / "a.root", make_jets(10, 1), {.second_cycle = true});
  TFile file((folder / "a.root").c_str());
  TDirectory* jets = file.GetDirectory("AK4jets");
  ASSERT_NE(jets, nullptr);
  ASSERT_NE(jets->GetKey("jetTree", 1), nullptr);
  ASSERT_NE(jets->GetKey("jetTree", 2), nullptr);
  auto* tree = jets->Get<TTree>("jetTree;2");
  EXPECT_EQ(tree->GetEntries(), 10);
  EXPECT_EQ(jets->Get<TTree>("jetTree;1")->GetEntries(), 5);
  auto* leaf = static_cast<TLeaf*>(tree->GetBranch("PF_mass")->GetListOfLeaves()->First());
  EXPECT_STREQ(leaf->GetName(), "cPF_mass");
  EXPECT_STREQ(tree->GetLeaf("hadronFlav")->GetTypeName(), "Int_t");
}

}  // namespace jetcal::data
