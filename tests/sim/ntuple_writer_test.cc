// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/ntuple_writer.h"

#include <TFile.h>
#include <TLeaf.h>
#include <TTree.h>
#include <gtest/gtest.h>

#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::sim {
namespace {

class NtupleWriterTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

JetRow toy_row(float pt, bool matched) {
  JetRow row;
  row.values.jetPt = pt;
  row.values.jetGenMatch = matched ? 1 : 0;
  row.values.event = 77;
  row.PF_pT = {pt, 1.2345678F};
  row.PF_dR = row.PF_dTheta = row.PF_dPhi = row.PF_dEta = {0.1F, 0.99999F};
  row.PF_mass = {0.13957F, 0};
  row.PF_id = {211, 22};
  row.PF_fromPV = {3, 3};
  row.PF_fromAK4Jet = {1, 0};
  if (!matched) return row;
  row.genJetPF_pT = row.genJetPF_dR = row.genJetPF_dTheta = row.genJetPF_mass = {pt};
  row.genJetPF_id = {-211};
  return row;
}

void write_rows(const std::filesystem::path& path, const std::vector<JetRow>& rows) {
  NtupleWriter writer(path, {});
  for (const JetRow& row : rows) writer.write(row);
  writer.close();
}

TEST(KeepBits, RoundsToNearestAndStaysInTheBox) {
  EXPECT_EQ(keep_bits(1.0F + 1.0F / 4096, 12), 1.0F + 1.0F / 4096);
  EXPECT_EQ(keep_bits(3.14159F, 23), 3.14159F);
  EXPECT_LT(keep_bits(0.9999999F, 8), 1.0F);
  EXPECT_GT(keep_bits(-0.9999999F, 8), -1.0F);
  EXPECT_EQ(keep_bits(0, 8), 0);
  for (float x = 0.001F; x < 2000; x *= 1.37F)
    EXPECT_NEAR(keep_bits(x, 10), x, x * std::ldexp(1.0, -11));
}

TEST_F(NtupleWriterTest, WritesTheSameBytesAgain) {
  const auto a = folder_ / "a.root";
  const auto b = folder_ / "b.root";
  write_rows(a, {toy_row(50, true), toy_row(40, false)});
  write_rows(b, {toy_row(50, true), toy_row(40, false)});
  EXPECT_EQ(read_file(a), read_file(b));
}

TEST_F(NtupleWriterTest, KeepsTheNamesTypesAndStaleGenParticlesOfTheOriginal) {
  const auto path = folder_ / "c.root";
  write_rows(path, {toy_row(50, true), toy_row(40, false), toy_row(30, true)});
  {
    const std::unique_ptr<TFile> file(TFile::Open(path.c_str()));
    ASSERT_NE(file, nullptr);
    auto* tree = file->Get<TTree>("AK4jets/jetTree");
    ASSERT_NE(tree, nullptr);
    EXPECT_EQ(tree->GetEntries(), 3);
    EXPECT_STREQ(tree->GetBranch("PF_mass")->GetTitle(), "cPF_mass[nPF]/F");
    EXPECT_STREQ(tree->GetBranch("event")->GetTitle(), "event/l");
    EXPECT_STREQ(tree->GetBranch("QG_mult")->GetTitle(), "QG_mult/I");
    EXPECT_STREQ(tree->GetBranch("genJetPF_id")->GetTitle(), "genJetPF_id[nGenJetPF]/I");
    tree->GetEntry(1);
    EXPECT_EQ(tree->GetLeaf("jetPt")->GetValue(), 40);
    EXPECT_EQ(tree->GetLeaf("nGenJetPF")->GetValue(), 1);
    EXPECT_EQ(tree->GetLeaf("genJetPF_pT")->GetValue(), 50);
    EXPECT_EQ(tree->GetLeaf("event")->GetValueLong64(), 77);
  }
}

TEST_F(NtupleWriterTest, LeavesNothingWithoutClose) {
  const auto path = folder_ / "d.root";
  {
    NtupleWriter writer(path, {});
    writer.write(toy_row(50, true));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
}

TEST_F(NtupleWriterTest, SaysWhenTheDiskIsFull) {
  try {
    NtupleWriter writer("/dev/full/x.root", {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/dev/full"), std::string::npos);
  }
}

}  // namespace
}  // namespace jetcal::sim
