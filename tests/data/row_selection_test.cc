// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/row_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"
#include "jetcal/data/ingest.h"
#include "jetcal/data/jet_blocks.h"
#include "tests/data/jet_ntuple_fixture.h"

namespace jetcal::data {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RowSelectionTest : public testing::Test {
 protected:
  // Ingests two files of 600 jets, each a group.
  std::filesystem::path ingest_with(const DataRules& rules) const {
    IngestOptions options;
    for (const std::string name : {"a", "b"}) {
      edm::JetColumns jets = make_jets(600, name == "a" ? 1 : 2);
      write_jet_ntuple(folder_ / (name + ".root"), jets);
      options.inputs.push_back(name + ":" + (folder_ / (name + ".root")).string());
    }
    options.output = folder_ / "shards";
    options.selection.keep_unmatched = true;
    options.selection.gen_pt_min = -1;
    options.selection.gen_eta_max = 100;
    options.rules = rules;
    ingest(options);
    return options.output;
  }
  TemporaryFolder folder_;
};

template <typename Work>
void expect_invalid(const Work& work, const std::string& sentence) {
  try {
    work();
    ADD_FAILURE() << "no error: " << sentence;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr(sentence));
  }
}

void expect_account_adds_up(const RowAccount& account) {
  EXPECT_EQ(account.read, account.kept + account.selection_not_finite + account.rejected_selection +
                              account.rejected_split_selection + account.weight_not_finite +
                              account.not_in_fraction + account.outside_reweighting);
}

TEST_F(RowSelectionTest, LeavesEverythingWithoutRules) {
  const RowSelection selection = select_rows(ingest_with({}), {}, {});
  EXPECT_TRUE(selection.leaves_all());
  EXPECT_EQ(selection.splits[0].account.read, selection.splits[0].account.kept);
  EXPECT_THAT(selection.splits[0].rows, IsEmpty());
}

TEST_F(RowSelectionTest, KeepsWhatTheRulesSayAndAccountsForTheRest) {
  const std::filesystem::path shards = ingest_with({});
  DataRules rules;
  rules.selection = "num_particles > 3";
  rules.weight = "1 + num_particles";
  rules.groups = {{"a", 2, 0.5}};
  const RowSelection selection = select_rows(shards, rules, {});
  double sum = 0;
  for (const Split split : kSplits) {
    const SelectedRows& rows = selection.splits[static_cast<std::size_t>(split)];
    expect_account_adds_up(rows.account);
    const Dataset jets = Dataset::open(shards, split);
    EXPECT_EQ(rows.account.read, jets.num_jets());
    RowAccount groups;
    for (const auto& [name, account] : rows.groups) {
      expect_account_adds_up(account);
      groups.read += account.read;
      groups.kept += account.kept;
    }
    EXPECT_EQ(groups.read, rows.account.read);
    EXPECT_EQ(groups.kept, rows.account.kept);
    EXPECT_EQ(rows.groups.at("b").not_in_fraction, 0);
    EXPECT_GT(rows.groups.at("a").not_in_fraction, 0);
    ASSERT_EQ(rows.rows.size(), rows.weights.size());
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      edm::FeatureBatch batch;
      std::int64_t shard = 0;
      while (jets.first_row(shard) + jets.shard(shard).num_jets <= rows.rows[i]) ++shard;
      const std::int64_t row = rows.rows[i] - jets.first_row(shard);
      const auto particles =
          static_cast<double>(jets.shard(shard).offsets[row + 1] - jets.shard(shard).offsets[row]);
      EXPECT_GT(particles, 3);
      const double wanted = (1 + particles) * (jets.group(shard) == "a" ? 2 : 1);
      EXPECT_NEAR(rows.weights[i], wanted * selection.weight_scale, 1e-5);
    }
    if (split == Split::Train) sum = std::accumulate(rows.weights.begin(), rows.weights.end(), 0.0);
  }
  EXPECT_NEAR(sum, static_cast<double>(selection.splits[0].rows.size()), 1e-2);
}

TEST_F(RowSelectionTest, AppliesNothingTwice) {
  DataRules rules;
  rules.new_variables = {{"wide", "QG_mult + genJetPt"}};  // of branches that shards lack
  rules.selection = "wide > -1000";
  rules.weight = "1 + abs(wide)";
  rules.fraction = 0.5;
  const std::filesystem::path shards = ingest_with(rules);
  const RowSelection selection = select_rows(shards, rules, {});
  EXPECT_THAT(selection.applied_by_ingest, ElementsAre("selection", "fraction", "weight"));
  EXPECT_TRUE(selection.splits[0].all);
  EXPECT_FALSE(selection.splits[0].weights.empty());
  EXPECT_EQ(selection.splits[0].account.not_in_fraction, 0);
  DataRules other = rules;
  other.selection = "wide > -999";
  EXPECT_THROW(select_rows(shards, other, {}), Error);
}

TEST_F(RowSelectionTest, MultipliesAFractionWithThatOfIngest) {
  DataRules rules;
  rules.fraction = 0.5;
  const std::filesystem::path shards = ingest_with(rules);
  rules.split_fraction[0] = 0.5;
  const RowSelection selection = select_rows(shards, rules, {});
  EXPECT_THAT(selection.applied_by_ingest, IsEmpty());
  const RowAccount& train = selection.splits[0].account;
  EXPECT_NEAR(static_cast<double>(train.kept) / static_cast<double>(train.read), 0.5, 0.15);
  EXPECT_EQ(selection.splits[1].account.not_in_fraction, 0);
}

TEST_F(RowSelectionTest, NamesAGroupThatTheShardsLack) {
  const std::filesystem::path shards = ingest_with({});
  DataRules rules;
  rules.groups = {{"a", 2, 1}, {"c", 3, 1}};
  expect_invalid([&] { select_rows(shards, rules, {}); }, "group 'c'");
  expect_invalid([&] { rules_left(rules, {}, read_manifest(shards)); }, "group 'c'");
}

TEST_F(RowSelectionTest, RefusesASplitWithoutWeightMappedOrNot) {
  DataRules rules;
  rules.split_selection[2] = "num_particles == 0";
  rules.weight = "num_particles";
  const std::filesystem::path shards = ingest_with(rules);
  const auto store = open_store(shards.string());
  EXPECT_GT(JetBlocks::open(store, Split::Validation, 2).num_jets(), 0);
  const std::string sentence = "weights of the test jets sum to 0";
  expect_invalid([&] { select_rows(shards, rules, {}); }, sentence);
  expect_invalid([&] { JetBlocks::open(store, Split::Test, 2); }, sentence);
}

TEST_F(RowSelectionTest, UsesObserversAndStoredVariables) {
  DataRules rules;
  rules.new_variables = {{"wide", "QG_mult * 1.0"}};
  rules.observers = {{"wide", "wide"}};
  const std::filesystem::path shards = ingest_with(rules);
  DataRules later = rules;
  later.selection = "wide > 0 && wide == qg_mult";
  EXPECT_GT(select_rows(shards, later, {}).splits[0].account.kept, 0);
  later.new_variables[0].text = "QG_mult * 2.0";
  EXPECT_THROW(select_rows(shards, later, {}), Error);
}

}  // namespace
}  // namespace jetcal::data
