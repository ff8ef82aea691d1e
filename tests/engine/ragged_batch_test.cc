// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/ragged_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "tests/engine/repository_fixture.h"

namespace jetcal::engine {
namespace {

using testing::HasSubstr;

std::vector<TensorView> views(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> all;
  for (const Tensor& tensor : tensors) all.push_back(tensor.view());
  return all;
}

TEST(RaggedBatch, GivesTheJetsBack) {
  const edm::FeatureBatch jets = sample_jets(9, 0, 12, 5);
  const std::vector<Tensor> tensors = make_ragged(jets.view());
  EXPECT_TRUE(is_ragged(views(tensors)));
  EXPECT_FALSE(is_ragged(views(pad(jets.view(), 12, models::Network::Pfn))));
  std::int64_t num_jets = 0;
  const auto padded = network_inputs(models::Network::ParticleNet);
  ASSERT_EQ(check_ragged(views(tensors), padded, num_jets), std::nullopt);
  EXPECT_EQ(num_jets, 9);
  edm::FeatureBatch back;
  append_ragged(views(tensors), back);
  append_ragged(views(tensors), back);  // a second request behind the first
  EXPECT_EQ(back.num_jets(), 18);
  EXPECT_EQ(std::vector(back.particles.begin(), back.particles.begin() + jets.particles.size()),
            jets.particles);
  EXPECT_EQ(std::vector(back.points.begin(), back.points.begin() + jets.points.size()),
            jets.points);
  EXPECT_EQ(std::vector(back.offsets.begin(), back.offsets.begin() + 10), jets.offsets);
  EXPECT_EQ(back.offsets[18], 2 * jets.offsets[9]);
}

TEST(RaggedBatch, RefusesWhatDoesNotAddUp) {
  const edm::FeatureBatch jets = sample_jets(3, 2, 4, 5);
  const auto padded = network_inputs(models::Network::Pfn);
  const std::vector<Tensor> good = make_ragged(jets.view());
  const auto problem = [&](const std::function<void(std::vector<TensorView>&)>& change) {
    std::vector<TensorView> inputs = views(good);
    change(inputs);
    std::int64_t num_jets = 0;
    return check_ragged(inputs, padded, num_jets).value_or("nothing");
  };
  EXPECT_EQ(problem([](auto&) {}), "nothing");
  EXPECT_THAT(problem([](auto& t) { t.pop_back(); }), HasSubstr("needs pf_features and jet_fea"));
  EXPECT_THAT(problem([](auto& t) { t.push_back(t[1]); }), HasSubstr("nothing else"));
  EXPECT_THAT(problem([](auto& t) { t[0].type = DataType::Fp32; }), HasSubstr("INT32 or INT64"));
  EXPECT_THAT(problem([](auto& t) { t[0].shape = {4}; }), HasSubstr("'pf_counts'"));
  EXPECT_THAT(problem([](auto& t) { t[0].shape = {}; }), HasSubstr("'pf_counts'"));
  EXPECT_THAT(problem([](auto& t) { t[1].shape[0] += 1; }), HasSubstr("adds up to"));
  EXPECT_THAT(problem([](auto& t) { t[1].data = t[1].data.first(5); }), HasSubstr("'pf_features'"));
  EXPECT_THAT(problem([](auto& t) { t[2].shape = {3, 7}; }), HasSubstr("'jet_features'"));
  const std::vector<Tensor> negative{
      make_tensor<std::int32_t>("pf_counts", DataType::Int32, {3}, {5, -1, 3})};
  EXPECT_THAT(problem([&](auto& t) { t[0] = negative[0].view(); }), HasSubstr("negative"));
}

// As in shared memory that the client writes after the request has been checked.
TEST(RaggedBatch, CountsThatChangeAfterTheCheckLeaveTheJetsAsTheyWere) {
  const std::vector<Tensor> good = make_ragged(sample_jets(3, 2, 2, 5).view());
  edm::FeatureBatch jets;
  append_ragged(views(good), jets);
  const edm::FeatureBatch before = jets;
  using Counts = std::vector<std::int32_t>;
  for (const Counts& counts :
       {Counts{7, -3, 2}, Counts{2, 2, 1}, Counts{2, 2, 3}, Counts{1 << 30, 0, 0}}) {
    std::vector<TensorView> inputs = views(good);
    const Tensor changed = make_tensor<std::int32_t>("pf_counts", DataType::Int32, {3}, counts);
    inputs[0] = changed.view();
    EXPECT_THROW(append_ragged(inputs, jets), Error);
    EXPECT_EQ(jets.offsets, before.offsets);
    EXPECT_EQ(jets.particles, before.particles);
  }
}

}  // namespace
}  // namespace jetcal::engine
