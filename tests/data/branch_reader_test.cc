// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/branch_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::pair<ErrorCode, std::string> branch_error(const std::filesystem::path& path,
                                               const std::string& branch) {
  try {
    read_branch(path, "", branch);
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  ADD_FAILURE() << "no error for " << branch;
  return {};
}

class BranchReader : public ::testing::TestWithParam<Storage> {};

TEST_P(BranchReader, GivesOneNumberForEachJetWhateverItsType) {
  const TemporaryFolder folder;
  const edm::JetColumns jets = make_jets(50, 7);
  write_jet_ntuple(folder / "a.root", jets, {.storage = GetParam()});
  EXPECT_EQ(read_branch(folder / "a.root", "", "jetRawPt"), jets.pt_raw);
  EXPECT_EQ(read_branch(folder / "a.root", "AK4jets/jetTree", "jetMass"), jets.mass);
  const std::vector<float> flavor(jets.hadron_flavor.begin(), jets.hadron_flavor.end());
  EXPECT_EQ(read_branch(folder / "a.root", "", "hadronFlav"), flavor);
}

TEST_P(BranchReader, NamesFileAndBranchOfWhatItCannotRead) {
  const TemporaryFolder folder;
  write_jet_ntuple(folder / "a.root", make_jets(5, 7), {.storage = GetParam()});
  const std::string file = (folder / "a.root").string();
  for (const auto& [branch, text] :
       {std::pair{"jetPtNew", "missing branch jetPtNew"}, {"PF_pT", "not one number"}}) {
    const auto [code, message] = branch_error(folder / "a.root", branch);
    EXPECT_EQ(code, ErrorCode::InvalidArgument);
    EXPECT_THAT(message, AllOf(HasSubstr(text), HasSubstr(branch), HasSubstr(file)));
  }
}

INSTANTIATE_TEST_SUITE_P(Storages, BranchReader,
                         ::testing::Values(Storage::TTree, Storage::RNTuple),
                         [](const auto& info) { return std::string(storage_name(info.param)); });

TEST(BranchReaderNano, ReadsListsInTheOrderOfTheJets) {
  const TemporaryFolder folder;
  write_nano(folder / "a.root", true);
  EXPECT_THAT(read_branch(folder / "a.root", "", "Jet_hadronFlavour"), ElementsAre(0, 4, 5));
  EXPECT_THAT(branch_error(folder / "a.root", "PV_npvsGood").second,
              AllOf(HasSubstr("per event"), HasSubstr("PV_npvsGood"), HasSubstr("a.root")));
  const auto [code, message] = branch_error(folder / "a.root", "PFCands_pt");
  EXPECT_EQ(code, ErrorCode::DataLoss);
  EXPECT_THAT(message, AllOf(HasSubstr("3 jets but"), HasSubstr("PFCands_pt")));
}

}  // namespace
}  // namespace jetcal::data
