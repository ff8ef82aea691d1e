// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/padded_batch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/engine/sample_jets.h"
#include "tests/engine/repository_fixture.h"

namespace jetcal::engine {
namespace {

std::vector<TensorView> views(const std::vector<Tensor>& tensors) {
  std::vector<TensorView> out;
  for (const Tensor& tensor : tensors) out.push_back(tensor.view());
  return out;
}

TEST(PaddedBatch, ComesBackAsItWas) {
  const edm::FeatureBatch jets = sample_jets(9, 0, 12, 1);
  for (const auto network : {models::Network::Pfn, models::Network::ParticleNet}) {
    edm::FeatureBatch back;
    unpad(views(pad(jets.view(), 15, network)), back);
    EXPECT_EQ(back.offsets, jets.offsets);
    EXPECT_EQ(back.particles, jets.particles);
    EXPECT_EQ(back.points, jets.points);  // for a PFN they are two of the features
    EXPECT_EQ(back.jets, jets.jets);
  }
}

TEST(PaddedBatch, ChannelsAreRowsAndPaddingIsZero) {
  edm::FeatureBatch jets;
  jets.points = {1, 2, 3, 4};
  jets.particles = {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16};
  jets.jets = {1, 2, 3, 4, 5, 6, 7, 8};
  jets.offsets = {0, 2};
  const std::vector<Tensor> tensors = pad(jets.view(), 3, models::Network::ParticleNet);
  ASSERT_EQ(tensors.size(), 4U);
  EXPECT_EQ(values_of<float>(tensors[0]), (std::vector<float>{1, 3, 0, 2, 4, 0}));
  EXPECT_EQ(tensors[1].shape, (std::vector<std::int64_t>{1, 6, 3}));
  EXPECT_EQ(values_of<float>(tensors[1])[3], 2);
  EXPECT_EQ(values_of<float>(tensors[2]), (std::vector<float>{1, 1, 0}));
}

TEST(PaddedBatch, RefusesJetsThatAreTooLong) {
  EXPECT_THROW(pad(sample_jets(1, 4, 4, 1).view(), 3, models::Network::Pfn), Error);
}

TEST(PaddedBatch, DropsMaskedSlotsWhereverTheyAreAndReadsAnyAlignment) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> features;
  for (int channel = 0; channel < 6; ++channel)
    features.insert(features.end(), {nan, 10.0F + static_cast<float>(channel), nan, 20});
  const std::vector<Tensor> tensors{
      make_tensor<float>("pf_features", DataType::Fp32, {1, 6, 4}, features),
      make_tensor<float>("pf_mask", DataType::Fp32, {1, 1, 4}, {0, 1, 0, -0.5F}),
      make_tensor<float>("jet_features", DataType::Fp32, {1, 8}, {1, 2, 3, 4, 5, 6, 7, 8})};
  std::vector<std::vector<std::byte>> shifted;
  std::vector<TensorView> odd;
  for (const Tensor& tensor : tensors) {
    shifted.emplace_back(tensor.data.size() + 1);
    std::memcpy(shifted.back().data() + 1, tensor.data.data(), tensor.data.size());
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    odd.push_back(tensors[i].view());
    odd.back().data = std::span<const std::byte>(shifted[i]).subspan(1);
  }
  edm::FeatureBatch jets;
  unpad(odd, jets);
  EXPECT_EQ(jets.offsets, (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(jets.particles, (std::vector<float>{10, 11, 12, 13, 14, 15, 20, 20, 20, 20, 20, 20}));
  EXPECT_EQ(jets.points, (std::vector<float>{12, 13, 20, 20}));
}

TEST(SampleJets, SeedDecides) {
  EXPECT_EQ(sample_jets(5, 1, 9, 3).particles, sample_jets(5, 1, 9, 3).particles);
  EXPECT_NE(sample_jets(5, 9, 9, 3).particles, sample_jets(5, 9, 9, 4).particles);
}

}  // namespace
}  // namespace jetcal::engine
