// SPDX-License-Identifier: Apache-2.0
#include "jetcal/edm/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/base/random.h"
#include "jetcal/edm/detail/vector_math.h"
#include "jetcal/edm/flavor.h"

namespace jetcal::edm {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

// Adds a jet whose particles have the given pT; odd ones are the jet's own.
void add_jet(JetColumns& jets, float pt_reco, float pt_gen, const std::vector<float>& particle_pt) {
  jets.offsets.push_back(jets.offsets.back() + static_cast<std::int64_t>(particle_pt.size()));
#define JETCAL_ZERO(type, name) jets.name.push_back(type{});
  JETCAL_JET_COLUMNS(JETCAL_ZERO)
#undef JETCAL_ZERO
  jets.pt_reco.back() = pt_reco;
  jets.pt_gen.back() = pt_gen;
  jets.eta.back() = 1.5F;
  jets.phi.back() = -2.0F;
  jets.mass.back() = 12.0F;
  jets.area.back() = 0.5F;
  jets.qg_pt_d.back() = 0.4F;
  jets.qg_axis2.back() = 0.05F;
  jets.qg_mult.back() = 17;
  for (std::size_t i = 0; i < particle_pt.size(); ++i) {
    jets.pf_pt.push_back(particle_pt[i]);
    jets.pf_d_eta.push_back(0.1F);
    jets.pf_d_phi.push_back(-0.2F);
    jets.pf_mass.push_back(0.13957F);
    jets.pf_id.push_back(211);
    jets.pf_from_pv.push_back(3);
    jets.pf_from_jet.push_back(i % 2 == 1 ? 1 : 0);
  }
}

TEST(Features, FollowThePublishedDefinitionAndOrder) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {2.0F});
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Paper, batch);
  EXPECT_THAT(batch.points, ElementsAre(0.1F, -0.2F));
  EXPECT_THAT(batch.particles,
              ElementsAre(FloatEq(std::log(2.0F)), FloatEq(std::log(0.04F)), 0.1F, -0.2F,
                          FloatEq(std::atan2(-0.2F, 0.1F)), FloatEq(std::hypot(0.1F, -0.2F))));
  EXPECT_THAT(batch.jets,
              ElementsAre(FloatEq(std::log(50.0F)), 1.5F, -2.0F, 12.0F, 0.5F, 0.4F, 0.05F, 17.0F));
  EXPECT_THAT(batch.target, ElementsAre(FloatEq(std::log(1.1F))));
}

TEST(Features, PaperModeKeepsTheFirstHundredInStorageOrder) {
  JetColumns jets;
  std::vector<float> pt(130);
  for (std::size_t i = 0; i < pt.size(); ++i) pt[i] = 1.0F + static_cast<float>(i);
  add_jet(jets, 50.0F, 55.0F, pt);
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Paper, batch);
  ASSERT_EQ(batch.num_particles(), 100);
  EXPECT_FLOAT_EQ(batch.particles[0], std::log(1.0F));
  EXPECT_FLOAT_EQ(batch.particles[99 * 6], std::log(100.0F));
}

TEST(Features, ConstituentsModeKeepsOwnParticlesByFallingPt) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {9.0F, 1.0F, 9.0F, 5.0F, 9.0F, 3.0F});
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Constituents, batch);
  ASSERT_EQ(batch.num_particles(), 3);
  EXPECT_FLOAT_EQ(batch.particles[0], std::log(5.0F));
  EXPECT_FLOAT_EQ(batch.particles[6], std::log(3.0F));
  EXPECT_FLOAT_EQ(batch.particles[12], std::log(1.0F));
}

TEST(Features, CountParticlesThatCannotBeUsed) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN(), 2.0F});
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Paper, batch);
  EXPECT_EQ(batch.num_particles(), 1);
  EXPECT_EQ(batch.dropped_particles, 3);
}

TEST(Features, AcceptAJetWithoutParticlesAndOneWithoutMatch) {
  JetColumns jets;
  add_jet(jets, 50.0F, 0.0F, {});
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Constituents, batch);
  EXPECT_EQ(batch.num_jets(), 1);
  EXPECT_EQ(batch.num_particles(), 0);
  EXPECT_EQ(batch.target[0], 0.0F);
}

// Any positive finite float is as likely as any other.
float any_positive(Rng& rng) {
  const auto bits = static_cast<std::int32_t>(1 + rng.below(0x7F7FFFFF));
  return std::bit_cast<float>(bits);
}

double unit_in_last_place(double x) {
  const auto size = static_cast<float>(std::abs(x));
  return std::nextafter(size, std::numeric_limits<float>::infinity()) - size;
}

TEST(VectorMath, LogarithmsAreAccurateForEveryPositiveFloat) {
  Rng rng(1);
  for (int i = 0; i < 200000; ++i) {
    const float near_one = static_cast<float>(std::exp(0.2 * rng.normal()));
    const detail::Floats4 x{any_positive(rng), near_one, 0x1p-149F, 1.0F};
    const detail::Floats4 y = detail::log4(x);
    for (int lane = 0; lane < 4; ++lane) {
      const double want = std::log(static_cast<double>(x[lane]));
      ASSERT_NEAR(y[lane], want, 1.5 * unit_in_last_place(std::max(std::abs(want), 0.1)))
          << x[lane];
    }
    ASSERT_EQ(y[3], 0.0F);
  }
}

TEST(VectorMath, AnglesAreAccurateInEveryQuadrantAndCorner) {
  Rng rng(2);
  const auto check = [](detail::Floats4 y, detail::Floats4 x) {
    const detail::Floats4 angle = detail::atan2_4(y, x);
    for (int lane = 0; lane < 4; ++lane) {
      const double want = std::atan2(static_cast<double>(y[lane]), static_cast<double>(x[lane]));
      ASSERT_NEAR(angle[lane], want, 3 * unit_in_last_place(want)) << y[lane] << " " << x[lane];
      ASSERT_EQ(std::signbit(angle[lane]), std::signbit(want)) << y[lane] << " " << x[lane];
    }
  };
  for (int i = 0; i < 200000; ++i) {
    const auto normal = [&rng] { return static_cast<float>(rng.normal()); };
    check(detail::Floats4{normal(), normal(), normal(), 0.25F * any_positive(rng)},
          detail::Floats4{normal(), normal(), -0.25F * any_positive(rng), normal()});
  }
  for (const float y : {0.0F, -0.0F, 1.0F, -1.0F, 0x1p-149F}) {
    check(detail::all(y), detail::Floats4{0.0F, -0.0F, 1.0F, -1.0F});
  }
}

TEST(Features, SortByPtKeepsTiesInStorageOrder) {
  Rng rng(3);
  for (std::int64_t size = 0; size <= 300; size = size < 140 ? size + 1 : size + 40) {
    JetColumns jets;
    std::vector<float> pt(2 * static_cast<std::size_t>(size));
    for (float& value : pt) value = 0.25F * static_cast<float>(1 + rng.below(20));
    add_jet(jets, 50, 55, pt);
    for (std::size_t i = 0; i < pt.size(); ++i) {
      jets.pf_d_eta[i] = static_cast<float>(i);  // tells who it is
      jets.pf_from_jet[i] = rng.below(2) == 0 ? 1 : 0;
    }
    std::vector<std::int64_t> want;
    for (std::size_t i = 0; i < pt.size(); ++i) {
      if (jets.pf_from_jet[i] == 1) want.push_back(static_cast<std::int64_t>(i));
    }
    std::stable_sort(want.begin(), want.end(),
                     [&pt](std::int64_t a, std::int64_t b) { return pt[a] > pt[b]; });
    FeatureBatch batch;
    append_features(jets.view(), 0, InputMode::Constituents, batch);
    ASSERT_EQ(batch.num_particles(), std::ssize(want));
    for (std::size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(batch.points[2 * i], static_cast<float>(want[i])) << size << " " << i;
      ASSERT_FLOAT_EQ(batch.particles[6 * i], std::log(pt[want[i]]));
    }
  }
}

TEST(Features, AreFiniteWhateverThePtOfAParticle) {
  for (const float pt_reco : {0x1p-149F, 1e-30F, 50.0F, std::numeric_limits<float>::max()}) {
    JetColumns jets;
    add_jet(jets, pt_reco, pt_reco, {0x1p-149F, 1e-30F, 1, std::numeric_limits<float>::max()});
    FeatureBatch batch;
    append_features(jets.view(), 0, InputMode::Paper, batch);
    ASSERT_EQ(batch.num_particles(), 4);
    for (const float value : batch.particles) EXPECT_TRUE(std::isfinite(value)) << pt_reco;
    for (int i = 0; i < 4; ++i) {
      const double want = std::log(static_cast<double>(jets.pf_pt[i])) - std::log(pt_reco);
      EXPECT_NEAR(batch.particles[6 * i + 1], want, 2e-5) << pt_reco << " " << i;
    }
  }
}

TEST(Features, DropAndCountParticlesFartherAwayThanAnyJetReaches) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {1, 2, 3, 4, 5});
  jets.pf_d_eta[0] = 2e9F;
  jets.pf_d_phi[2] = -std::numeric_limits<float>::max();
  jets.pf_d_eta[3] = std::numeric_limits<float>::infinity();
  jets.pf_d_eta[4] = -1e9F;
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Paper, batch);
  EXPECT_EQ(batch.dropped_particles, 3);
  ASSERT_EQ(batch.num_particles(), 2);
  EXPECT_EQ(batch.particles[6 + 5], 1e9F);
}

TEST(Features, AppendOfARowKeepsItsParticles) {
  JetColumns from, to;
  add_jet(from, 30.0F, 31.0F, {1.0F, 2.0F});
  add_jet(from, 40.0F, 41.0F, {3.0F, 4.0F, 5.0F});
  to.append(from.view(), 1);
  EXPECT_EQ(to.num_jets(), 1);
  EXPECT_THAT(to.pf_pt, ElementsAre(3.0F, 4.0F, 5.0F));
  EXPECT_THAT(to.offsets, ElementsAre(0, 3));
}

// Marks particle p by its mass, so that every row can be told from its neighbors.
void mark(JetColumns& jets, const std::vector<std::int32_t>& ids) {
  for (std::size_t p = 0; p < ids.size(); ++p) {
    jets.pf_id[p] = ids[p];
    jets.pf_mass[p] = static_cast<float>(p);
    jets.pf_from_pv[p] = static_cast<std::uint8_t>(p % 4);
    jets.pf_from_jet[p] = 1;
  }
}

TEST(ExtendedFeatures, FollowTheirParticleThroughSortingAndDropping) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {2.0F, 0.0F, 9.0F, 3.0F, 5.0F, 4.0F, 6.0F});
  const std::vector<std::int32_t> ids{211, 22, -11, 22, 13, 130, 1};
  mark(jets, ids);
  const InputOptions options(InputMode::Constituents, FeatureSet::Extended);
  FeatureBatch batch;
  append_features(jets.view(), 0, options, batch);
  const std::vector<std::string_view> names = particle_feature_names(options);
  ASSERT_EQ(batch.particle_features, 17);
  ASSERT_EQ(std::ssize(names), 17);
  const std::vector<int> order{2, 6, 4, 5, 3, 0};  // by falling pT, without the particle of pT 0
  const std::vector<std::string_view> kinds{"PF_isElectron", "PF_isOther",
                                            "PF_isMuon",     "PF_isNeutralHadron",
                                            "PF_isPhoton",   "PF_isChargedHadron"};
  ASSERT_EQ(batch.num_particles(), std::ssize(order));
  for (std::size_t i = 0; i < order.size(); ++i) {
    const float* const row = batch.particles.data() + 17 * i;
    EXPECT_FLOAT_EQ(row[0], std::log(jets.pf_pt[order[i]]));
    EXPECT_EQ(row[6], static_cast<float>(order[i]));
    for (int c = 7; c < 13; ++c) EXPECT_EQ(row[c], names[c] == kinds[i] ? 1.0F : 0.0F) << names[c];
    for (int c = 13; c < 17; ++c) EXPECT_EQ(row[c], c - 13 == order[i] % 4 ? 1.0F : 0.0F);
  }
}

TEST(ExtendedFeatures, LargeJetsKeepTheirRowsTogether) {
  JetColumns jets;
  std::vector<float> pt(400);
  for (std::size_t i = 0; i < pt.size(); ++i) pt[i] = 1.0F + static_cast<float>(i * 7919 % 400);
  add_jet(jets, 50.0F, 55.0F, pt);
  mark(jets, std::vector<std::int32_t>(400, 211));
  FeatureBatch batch;
  append_features(jets.view(), 0, {InputMode::Constituents, FeatureSet::Extended}, batch);
  ASSERT_EQ(batch.num_particles(), 400);
  for (std::size_t i = 0; i < 400; ++i) {
    const auto particle = static_cast<std::size_t>(batch.particles[17 * i + 6]);
    EXPECT_FLOAT_EQ(batch.particles[17 * i], std::log(pt[particle]));
  }
}

TEST(RawReference, ReplacesTheJetsMomentumAndGivesTheCorrection) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {2.0F});
  jets.pt_raw.back() = 40.0F;
  jets.rho.back() = 21.5F;
  jets.num_vertices.back() = 33;
  const InputOptions options(InputMode::Paper, FeatureSet::Extended, Reference::Raw);
  FeatureBatch batch;
  append_features(jets.view(), 0, options, batch);
  EXPECT_FLOAT_EQ(batch.particles[1], std::log(0.05F));
  EXPECT_THAT(batch.jets, ElementsAre(FloatEq(std::log(40.0F)), 1.5F, -2.0F, 12.0F, 0.5F, 0.4F,
                                      0.05F, 17.0F, 21.5F, 33.0F, FloatEq(std::log(1.25F))));
  EXPECT_THAT(batch.log_jec, ElementsAre(FloatEq(std::log(1.25F))));
  EXPECT_THAT(batch.target, ElementsAre(FloatEq(std::log(1.1F))));
  EXPECT_EQ(jet_feature_names(options).size(), 11U);
  EXPECT_EQ(jet_feature_names(options).back(), "log_JEC");
  batch.clear();
  EXPECT_TRUE(batch.log_jec.empty());
  EXPECT_TRUE(batch.flavor.empty());
}

TEST(Features, KnowTheFlavorsPlace) {
  JetColumns jets;
  add_jet(jets, 50.0F, 55.0F, {});
  jets.hadron_flavor.back() = 5;
  add_jet(jets, 50.0F, 55.0F, {});
  FeatureBatch batch;
  append_features(jets.view(), 0, InputMode::Paper, batch);
  append_features(jets.view(), 1, InputMode::Paper, batch);
  EXPECT_THAT(batch.flavor, ElementsAre(4, -1));
  EXPECT_EQ(kFlavors[4], Flavor::B);
}

TEST(InputOptions, NamesRoundTripAndOthersAreRefused) {
  for (const FeatureSet set : {FeatureSet::Published, FeatureSet::Extended})
    EXPECT_EQ(parse_feature_set(feature_set_name(set)), set);
  for (const Reference reference : {Reference::Jec, Reference::Raw})
    EXPECT_EQ(parse_reference(reference_name(reference)), reference);
  EXPECT_THROW(parse_feature_set("all"), Error);
  EXPECT_THROW(parse_reference("gen"), Error);
}

TEST(InputMode, NamesRoundTripAndOthersAreRefused) {
  for (const InputMode mode : {InputMode::Paper, InputMode::Constituents}) {
    EXPECT_EQ(parse_input_mode(input_mode_name(mode)), mode);
  }
  EXPECT_THROW(parse_input_mode("Paper"), Error);
}

TEST(Flavor, TakesTheHadronFlavorFirstAndPdgNumbers) {
  EXPECT_EQ(jet_flavor(5, 21), Flavor::B);
  EXPECT_EQ(jet_flavor(0, -2), Flavor::U);
  EXPECT_EQ(jet_flavor(0, 1), Flavor::D);
  EXPECT_EQ(jet_flavor(0, 21), Flavor::G);
  EXPECT_EQ(jet_flavor(0, 0), Flavor::Undefined);
  EXPECT_EQ(flavor_name(Flavor::G), "g");
}

}  // namespace
}  // namespace jetcal::edm
