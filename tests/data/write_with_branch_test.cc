// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/write_with_branch.h"

#include <TFile.h>
#include <TLeaf.h>
#include <TNamed.h>
#include <TTree.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <numeric>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

ErrorCode write_error(const std::filesystem::path& input, const std::filesystem::path& output,
                      const std::string& name, std::size_t count) {
  try {
    write_with_branch(input, "", output, name, std::vector<float>(count));
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::Internal;
}

TEST(WriteWithBranch, KeepsEveryBranchOfTheHighestCycleAndAddsOne) {
  const TemporaryFolder folder;
  const edm::JetColumns jets = make_jets(300, 5);
  write_jet_ntuple(folder / "in.root", jets, {.second_cycle = true});
  std::vector<float> values(300);
  std::iota(values.begin(), values.end(), 0.5F);
  write_with_branch(folder / "in.root", "", folder / "out.root", "jetPt_pfn", values);

  RootJetReader reader(folder / "out.root");
  EXPECT_EQ(reader.source().num_cycles, 1);
  edm::JetColumns copied;
  reader.read(1000, copied);
  EXPECT_EQ(copied.offsets, jets.offsets);
#define JETCAL_SAME(type, name) EXPECT_EQ(copied.name, jets.name) << #name;
  JETCAL_JET_COLUMNS(JETCAL_SAME)
  JETCAL_PARTICLE_COLUMNS(JETCAL_SAME)
#undef JETCAL_SAME

  TFile in((folder / "in.root").c_str()), out((folder / "out.root").c_str());
  auto* before = in.Get<TTree>("AK4jets/jetTree;2");
  auto* after = out.Get<TTree>("AK4jets/jetTree");
  ASSERT_EQ(after->GetListOfBranches()->GetEntries(),
            before->GetListOfBranches()->GetEntries() + 1);
  for (TObject* branch : *before->GetListOfBranches()) {
    const auto leaf_of = [&](TTree* tree) {
      return std::string(
          tree->GetBranch(branch->GetName())->GetListOfLeaves()->First()->GetTitle());
    };
    EXPECT_EQ(leaf_of(after), leaf_of(before));
  }
  float value = 0;
  after->SetBranchAddress("jetPt_pfn", &value);
  for (int i = 0; i < 300; ++i) {
    after->GetEntry(i);
    ASSERT_EQ(value, values[static_cast<std::size_t>(i)]);
  }
  after->ResetBranchAddresses();
}

TEST(WriteWithBranch, KeepsTheOtherObjectsAndNamesWhatItCannotCopy) {
  const TemporaryFolder folder;
  write_jet_ntuple(folder / "in.root", make_jets(20, 5));
  {
    TFile file((folder / "in.root").c_str(), "UPDATE");
    file.mkdir("calibration")->cd();
    TTree tree("jets", "calibration");
    int number = 0;
    tree.Branch("number", &number);
    for (number = 0; number < 1000; ++number) tree.Fill();
    tree.Write();
    TNamed("note", "the words").Write();
    file.cd("AK4jets");
    TNamed("card", "beside the tree").Write();
    auto model = ROOT::RNTupleModel::Create();
    model->MakeField<float>("number");
    ROOT::RNTupleWriter::Append(std::move(model), "ntuple", file)->Fill();
  }
  EXPECT_THAT(
      write_with_branch(folder / "in.root", "", folder / "out.root", "new", std::vector<float>(20)),
      ::testing::ElementsAre("ntuple"));
  TFile out((folder / "out.root").c_str());
  auto* tree = out.Get<TTree>("calibration/jets");
  ASSERT_NE(tree, nullptr);
  EXPECT_EQ(tree->GetEntries(), 1000);
  tree->GetEntry(777);
  EXPECT_EQ(tree->GetLeaf("number")->GetValue(), 777);
  EXPECT_STREQ(out.Get<TNamed>("calibration/note")->GetTitle(), "the words");
  EXPECT_STREQ(out.Get<TNamed>("AK4jets/card")->GetTitle(), "beside the tree");
  EXPECT_EQ(out.Get<TTree>("AK4jets/jetTree")->GetEntries(), 20);
}

TEST(WriteWithBranch, WritesOneValuePerJetOfNanoAod) {
  const TemporaryFolder folder;
  write_nano(folder / "in.root", /*narrow=*/true);
  write_with_branch(folder / "in.root", "", folder / "out.root", "Jet_pt_pfn",
                    std::vector<float>{1, 2, 3});
  TFile out((folder / "out.root").c_str());
  auto* tree = out.Get<TTree>("Events");
  TLeaf* leaf = tree->GetLeaf("Jet_pt_pfn");
  ASSERT_NE(leaf, nullptr);
  tree->GetEntry(0);
  ASSERT_EQ(leaf->GetLen(), 3);
  EXPECT_EQ(leaf->GetValue(0), 1);
  EXPECT_EQ(leaf->GetValue(2), 3);
  tree->GetEntry(1);
  EXPECT_EQ(leaf->GetLen(), 0);
}

TEST(WriteWithBranch, RefusesWrongCountsTakenNamesAndRNTuples) {
  const TemporaryFolder folder;
  write_jet_ntuple(folder / "in.root", make_jets(5, 1));
  const auto out = folder / "out.root";
  EXPECT_EQ(write_error(folder / "in.root", out, "new", 4), ErrorCode::InvalidArgument);
  EXPECT_EQ(write_error(folder / "in.root", out, "jetPt", 5), ErrorCode::AlreadyExists);
  write_jet_ntuple(folder / "rntuple.root", make_jets(5, 1), {.storage = Storage::RNTuple});
  EXPECT_EQ(write_error(folder / "rntuple.root", out, "new", 5), ErrorCode::Unimplemented);
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(WriteWithBranch, LeavesNothingOnAFullDisk) {
  const TemporaryFolder folder;
  const SmallDisk disk(folder / "small", 32);
  if (!disk.mounted()) GTEST_SKIP() << "cannot mount a small file system";
  for (const int jets : {300, 5000}) {
    write_jet_ntuple(folder / "in.root", make_jets(jets, 1));
    ASSERT_GT(std::filesystem::file_size(folder / "in.root"), 32U * 1024);
    EXPECT_EQ(write_error(folder / "in.root", folder / "small/out.root", "new",
                          static_cast<std::size_t>(jets)),
              ErrorCode::ResourceExhausted);
    EXPECT_TRUE(std::filesystem::is_empty(folder / "small"));
  }
}

}  // namespace
}  // namespace jetcal::data
