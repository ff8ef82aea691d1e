// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/root_jet_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

edm::JetColumns read_all(const std::filesystem::path& path, std::int64_t chunk = 1000) {
  RootJetReader reader(path);
  edm::JetColumns jets;
  while (reader.read(chunk, jets) > 0) {
  }
  return jets;
}

void expect_same(const edm::JetColumns& got, const edm::JetColumns& want) {
  EXPECT_EQ(got.offsets, want.offsets);
#define JETCAL_SAME(type, name) EXPECT_EQ(got.name, want.name) << #name;
  JETCAL_JET_COLUMNS(JETCAL_SAME)
  JETCAL_PARTICLE_COLUMNS(JETCAL_SAME)
#undef JETCAL_SAME
}

// Returns the code and text of the error that reading the file gives.
std::pair<ErrorCode, std::string> read_error(const std::filesystem::path& path,
                                             const std::string& tree = "") {
  try {
    RootJetReader reader(path, tree);
    edm::JetColumns jets;
    while (reader.read(100, jets) > 0) {
    }
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  ADD_FAILURE() << "no error for " << path;
  return {};
}

class RootJetReaderStorage : public ::testing::TestWithParam<Storage> {};

TEST_P(RootJetReaderStorage, ReadsEveryJetNTupleColumnInChunksOfAnySize) {
  const TemporaryFolder folder;
  const edm::JetColumns jets = make_jets(101, 7);
  write_jet_ntuple(folder / "a.root", jets, {.storage = GetParam()});
  for (const std::int64_t chunk : {1, 7, 101, 1000})
    expect_same(read_all(folder / "a.root", chunk), jets);
  const RootJetReader reader(folder / "a.root");
  EXPECT_EQ(reader.source().schema, Schema::JetNTuple);
  EXPECT_EQ(reader.source().storage, GetParam());
  EXPECT_EQ(reader.source().tree, "AK4jets/jetTree");
  EXPECT_EQ(reader.source().num_entries, 101);
}

TEST_P(RootJetReaderStorage, FindsATreeAtTheTopOfTheFile) {
  const TemporaryFolder folder;
  const edm::JetColumns jets = make_jets(5, 3);
  write_jet_ntuple(folder / "a.root", jets, {.storage = GetParam(), .folder = ""});
  expect_same(read_all(folder / "a.root"), jets);
  EXPECT_EQ(RootJetReader(folder / "a.root", "jetTree").source().tree, "jetTree");
}

TEST_P(RootJetReaderStorage, PassesOnValuesThatAreNotFinite) {
  const TemporaryFolder folder;
  edm::JetColumns jets = make_jets(5, 3);
  jets.rho[2] = std::nanf("");
  write_jet_ntuple(folder / "a.root", jets, {.storage = GetParam()});
  EXPECT_TRUE(std::isnan(read_all(folder / "a.root").rho[2]));
}

TEST_P(RootJetReaderStorage, NamesFileAndBranchOfAMissingBranch) {
  const TemporaryFolder folder;
  for (const char* branch : {"jetPt", "event", "PF_dPhi", "QG_mult"}) {
    write_jet_ntuple(folder / "a.root", make_jets(5, 3),
                     {.storage = GetParam(), .skip_branch = branch});
    const auto [code, text] = read_error(folder / "a.root");
    EXPECT_EQ(code, ErrorCode::InvalidArgument);
    EXPECT_THAT(text, AllOf(HasSubstr((folder / "a.root").string()), HasSubstr(branch),
                            HasSubstr("missing branch")));
  }
}

TEST_P(RootJetReaderStorage, NamesFileAndBranchOfAWrongType) {
  const TemporaryFolder folder;
  for (const char* branch : {"jetPt", "hadronFlav"}) {
    write_jet_ntuple(folder / "a.root", make_jets(5, 3),
                     {.storage = GetParam(), .wrong_branch = branch});
    const auto [code, text] = read_error(folder / "a.root");
    EXPECT_EQ(code, ErrorCode::InvalidArgument);
    EXPECT_THAT(text, AllOf(HasSubstr((folder / "a.root").string()), HasSubstr(branch),
                            HasSubstr("wrong type")));
  }
}

TEST_P(RootJetReaderStorage, RefusesAFileTruncatedAnywhere) {
  const TemporaryFolder folder;
  write_jet_ntuple(folder / "a.root", make_jets(300, 3), {.storage = GetParam()});
  const std::string bytes = read_file(folder / "a.root");
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, std::size_t{30}, bytes.size() / 2, bytes.size() - 1}) {
    write_file(folder / "cut.root", bytes.substr(0, size));
    ::testing::internal::CaptureStderr();
    const auto [code, text] = read_error(folder / "cut.root");
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(code, ErrorCode::DataLoss) << size;
    EXPECT_THAT(text, HasSubstr((folder / "cut.root").string()));
  }
}

TEST_P(RootJetReaderStorage, ReportsDamagedData) {
  const TemporaryFolder folder;
  write_jet_ntuple(folder / "a.root", make_jets(2000, 3), {.storage = GetParam()});
  std::string bytes = read_file(folder / "a.root");
  // Overwrites a stretch of compressed data in the first half of the file.
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 4), 2000, '\x5a');
  write_file(folder / "bad.root", bytes);
  ::testing::internal::CaptureStderr();
  const auto [code, text] = read_error(folder / "bad.root");
  // The inflater of ROOT prints a line by itself, past every handler.
  const std::string printed = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(printed, AnyOf("", StartsWith("R__unzip")));
  EXPECT_EQ(code, ErrorCode::DataLoss);
  EXPECT_THAT(text, HasSubstr((folder / "bad.root").string()));
}

INSTANTIATE_TEST_SUITE_P(Storages, RootJetReaderStorage,
                         ::testing::Values(Storage::TTree, Storage::RNTuple),
                         [](const auto& info) { return std::string(storage_name(info.param)); });

TEST(RootJetReader, TakesTheHighestCycle) {
  const TemporaryFolder folder;
  const edm::JetColumns jets = make_jets(10, 1);
  write_jet_ntuple(folder / "a.root", jets, {.second_cycle = true});
  const RootJetReader reader(folder / "a.root");
  EXPECT_EQ(reader.source().cycle, 2);
  EXPECT_EQ(reader.source().num_cycles, 2);
  expect_same(read_all(folder / "a.root"), jets);
}

TEST(RootJetReader, ReadsFromSeveralThreads) {
  const TemporaryFolder folder;
  const edm::JetColumns jets = make_jets(200, 1);
  for (const char* name : {"0", "1", "2", "3"}) {
    write_jet_ntuple(folder / name, jets,
                     {.storage = *name % 2 == 0 ? Storage::TTree : Storage::RNTuple});
  }
  std::array<edm::JetColumns, 4> got;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < got.size(); ++i)
    threads.emplace_back([&, i] { got[i] = read_all(folder / std::to_string(i), 9); });
  for (std::thread& thread : threads) thread.join();
  for (const edm::JetColumns& columns : got) expect_same(columns, jets);
}

TEST(RootJetReader, RefusesWhatIsNoJetFile) {
  const TemporaryFolder folder;
  write_file(folder / "text.root", "this is a text file of some length, no ROOT file");
  EXPECT_EQ(read_error(folder / "text.root").first, ErrorCode::InvalidArgument);
  EXPECT_EQ(read_error(folder / "absent.root").first, ErrorCode::NotFound);
  EXPECT_EQ(read_error(folder.path()).first, ErrorCode::InvalidArgument);
  write_jet_ntuple(folder / "a.root", make_jets(2, 1));
  EXPECT_THAT(read_error(folder / "a.root", "AK8jets/jetTree").second,
              AllOf(HasSubstr("AK8jets/jetTree"), HasSubstr("AK4jets/jetTree")));
}

class RootJetReaderNano : public ::testing::TestWithParam<bool> {};

TEST_P(RootJetReaderNano, BuildsJetsFromEitherWidthOfIntegers) {
  const TemporaryFolder folder;
  write_nano(folder / "a.root", GetParam());
  RootJetReader reader(folder / "a.root");
  EXPECT_EQ(reader.source().schema, Schema::PFNano);
  EXPECT_EQ(reader.source().layout, GetParam() ? "pfnano-v12-like" : "pfnano-v8-like");
  EXPECT_TRUE(reader.source().has_particles());
  EXPECT_THAT(reader.source().missing, ElementsAre());
  edm::JetColumns jets;
  JetOrigins origins;
  EXPECT_EQ(reader.read(100, jets, &origins), 2);  // the second event has no jets
  ASSERT_EQ(jets.num_jets(), 3);
  EXPECT_THAT(origins.entry, ElementsAre(0, 0, 0));
  EXPECT_THAT(origins.jet, ElementsAre(0, 1, 2));
  EXPECT_EQ(reader.skipped_links(), 1);

  EXPECT_THAT(jets.pt_raw, ElementsAre(75, 50, 60));
  EXPECT_THAT(jets.pt_gen, ElementsAre(90, 0, 0));
  EXPECT_THAT(jets.hadron_flavor, ElementsAre(0, 4, 5));
  EXPECT_THAT(jets.parton_flavor, ElementsAre(-2, 21, 5));
  EXPECT_EQ(jets.event[0], 0xFEDCBA9876543210ULL);
  EXPECT_EQ(jets.rho[1], 20);
  EXPECT_EQ(jets.num_vertices[2], 25);

  // The box of the first jet reaches over the seam of phi, and holds pileup beside its own three.
  EXPECT_THAT(jets.offsets, ElementsAre(0, 4, 5, 6));
  EXPECT_THAT(jets.pf_pt, ElementsAre(40, 20, 0.5F, 2, 30, 10));
  EXPECT_THAT(jets.pf_from_jet, ElementsAre(1, 1, 1, 0, 1, 0));
  EXPECT_FLOAT_EQ(jets.pf_d_phi[1], static_cast<float>(2 * M_PI - 6));
  // Tight fit of the leading vertex, two neutral, pileup by PUPPI, a muon, compatible in dz.
  EXPECT_THAT(jets.pf_from_pv, ElementsAre(3, 3, 3, 0, 2, 2));
  EXPECT_THAT(jets.qg_mult, ElementsAre(2, 0, 0));
  EXPECT_FLOAT_EQ(jets.qg_pt_d[0], static_cast<float>(std::sqrt(1600 + 400 + 0.25) / 60.5));
  EXPECT_FLOAT_EQ(jets.qg_pt_d[1], 1);
  EXPECT_EQ(jets.qg_pt_d[2], 0);  // its only constituent is not stored
  EXPECT_EQ(jets.qg_axis2[1], 0);
}

INSTANTIATE_TEST_SUITE_P(Widths, RootJetReaderNano, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Narrow" : "Wide");
});

class RootJetReaderCompression : public ::testing::TestWithParam<int> {};

TEST_P(RootJetReaderCompression, ReadsNanoAodWithoutCandidates) {
  const TemporaryFolder folder;
  for (const bool narrow : {false, true}) {
    write_nano(folder / "a.root", narrow, Candidates::None, GetParam());
    RootJetReader reader(folder / "a.root");
    EXPECT_EQ(reader.source().schema, Schema::NanoAOD);
    EXPECT_EQ(reader.source().layout, narrow ? "nanoaod-v12-like" : "nanoaod-v8-like");
    EXPECT_FALSE(reader.source().has_particles());
    edm::JetColumns jets;
    EXPECT_EQ(reader.read(100, jets), 2);
    EXPECT_THAT(jets.offsets, ElementsAre(0, 0, 0, 0));
    EXPECT_THAT(jets.pt_reco, ElementsAre(100, 50, 40));
    EXPECT_THAT(jets.pt_raw, ElementsAre(75, 50, 60));
    EXPECT_THAT(jets.pt_gen, ElementsAre(90, 0, 0));
    EXPECT_THAT(jets.area, ElementsAre(0.5F, 0.5F, 0.5F));
    EXPECT_THAT(jets.rho, ElementsAre(20, 20, 20));
    EXPECT_THAT(jets.hadron_flavor, ElementsAre(0, 4, 5));
    EXPECT_THAT(jets.parton_flavor, ElementsAre(-2, 21, 5));
    EXPECT_THAT(jets.num_vertices, ElementsAre(25, 25, 25));
    EXPECT_THAT(jets.qg_mult, ElementsAre(0, 0, 0));
    EXPECT_EQ(reader.unstored_gen_jets(), 1);
    EXPECT_EQ(reader.skipped_links(), 0);
  }
}

std::string algorithm_name(const ::testing::TestParamInfo<int>& info) {
  constexpr std::array kNames{"None", "Zlib", "Lzma", "Unused", "Lz4", "Zstd"};
  return kNames.at(static_cast<std::size_t>(info.param / 100));
}

INSTANTIATE_TEST_SUITE_P(Algorithms, RootJetReaderCompression,
                         ::testing::Values(0, 101, 207, 404, 505), algorithm_name);

TEST(RootJetReader, ReadsTheLeanCandidatesOfNewerNanoAod) {
  const TemporaryFolder folder;
  write_nano(folder / "a.root", true, Candidates::Lean);
  RootJetReader reader(folder / "a.root");
  EXPECT_EQ(reader.source().layout, "pfnano-v15-like");
  EXPECT_THAT(reader.source().missing,
              ElementsAre("PFCand_charge", "PFCand_pvAssocQuality", "PFCand_puppiWeight"));
  edm::JetColumns jets;
  reader.read(100, jets);
  EXPECT_THAT(jets.pf_pt, ElementsAre(40, 20, 0.5F, 2, 30, 10));
  EXPECT_THAT(jets.pf_from_jet, ElementsAre(1, 1, 1, 0, 1, 0));
  // Photon and K0L are neutral by their numbers; one neutral under 1 GeV does not count.
  EXPECT_THAT(jets.qg_mult, ElementsAre(2, 1, 0));
}

TEST(RootJetReader, ReadsRealNanoAodWithoutCandidates) {
  const std::filesystem::path path = JETCAL_SOURCE_DIR "/../shared/data/cms/nano_tt_v12.root";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  RootJetReader reader(path);
  EXPECT_EQ(reader.source().schema, Schema::NanoAOD);
  EXPECT_EQ(reader.source().layout, "nanoaod-v12-like");
  EXPECT_FALSE(reader.source().has_particles());
  EXPECT_THAT(reader.source().missing,
              ElementsAre("particle-flow candidates", "quark-gluon variables"));
  edm::JetColumns jets;
  EXPECT_EQ(reader.read(1000, jets), 200);
  EXPECT_GT(jets.num_jets(), 1000);
  EXPECT_EQ(jets.num_particles(), 0);
  const auto matched =
      std::count_if(jets.pt_gen.begin(), jets.pt_gen.end(), [](float pt) { return pt > 0; });
  EXPECT_GT(matched, 1000);
  EXPECT_GT(jets.num_jets(), matched);
  // The raw pT is on the scale of the corrected one, and differs.
  EXPECT_NE(jets.pt_raw, jets.pt_reco);
  EXPECT_NEAR(jets.pt_raw[0] / jets.pt_reco[0], 1, 0.5);
}

TEST(RootJetReader, FindsTheConstituentsThatRealJetsCount) {
  const std::filesystem::path path = JETCAL_SOURCE_DIR "/../shared/data/cms/pfnano.root";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const edm::JetColumns jets = read_all(path, 3);
  EXPECT_EQ(jets.num_jets(), 64);
  // Jet_nConstituents of the first event.
  const std::array<int, 8> want{45, 48, 31, 33, 23, 14, 11, 9};
  for (std::size_t jet = 0; jet < want.size(); ++jet) {
    int own = 0;
    for (auto i = static_cast<std::size_t>(jets.offsets[jet]);
         i < static_cast<std::size_t>(jets.offsets[jet + 1]); ++i) {
      own += jets.pf_from_jet[i];
    }
    EXPECT_EQ(own, want[jet]);
  }
}

}  // namespace
}  // namespace jetcal::data
