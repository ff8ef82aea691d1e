// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/pileup_pool.h"

#include <gtest/gtest.h>

#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::sim {
namespace {

class PoolFile : public testing::Test {
 protected:
  void SetUp() override {
    write_pool(path_, 9, {0, 2, 3}, {{1, 0.5F, 0, 211}, {2, 1, 1, 22}, {3, -2, 2, 130}});
  }
  TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "events.pool";
};

TEST_F(PoolFile, HoldsItsEvents) {
  const PileupPool pool = PileupPool::open(path_);
  EXPECT_EQ(pool.fingerprint(), 9U);
  ASSERT_EQ(pool.num_events(), 2);
  ASSERT_EQ(pool.event(0).size(), 2U);
  EXPECT_EQ(pool.event(1)[0].pdg, 130);
}

TEST_F(PoolFile, IsRefusedWhenTruncated) {
  const std::string whole = read_file(path_);
  for (const std::size_t size : {whole.size() - 1, whole.size() / 2, std::size_t{10}}) {
    write_file(path_, std::string_view(whole).substr(0, size));
    EXPECT_THROW(PileupPool::open(path_), Error) << size;
  }
}

TEST_F(PoolFile, IsRefusedWithDamagedOffsets) {
  std::string bytes = read_file(path_);
  const std::int64_t far = std::int64_t{1} << 40;
  std::memcpy(bytes.data() + 40, &far, sizeof(far));  // where the second event begins
  write_file(path_, bytes);
  EXPECT_THROW(PileupPool::open(path_), Error);
}

TEST_F(PoolFile, GivesPoissonCrossingsWithMirroredTurnedEvents) {
  const PileupPool pool = PileupPool::open(path_);
  const PileupOptions options{20, 0, 75, 4.5};
  const std::vector<Particle> hard{{50, 0, 0, 211}};
  Rng rng(1);
  Crossing crossing;
  double sum = 0;
  double sum2 = 0;
  bool mirrored = false;
  constexpr int kCrossings = 2000;
  for (int i = 0; i < kCrossings; ++i) {
    overlay(hard, pool, options, rng, crossing);
    sum += crossing.num_pileup;
    sum2 += crossing.num_pileup * crossing.num_pileup;
    ASSERT_EQ(crossing.vertex_z.size(), static_cast<std::size_t>(crossing.num_pileup) + 1);
    ASSERT_EQ(crossing.vertex[0], 0);
    for (std::size_t p = 1; p < crossing.particles.size(); ++p) {
      mirrored = mirrored || crossing.particles[p].eta == -0.5F;
      ASSERT_LE(std::abs(crossing.particles[p].phi), 3.1416F);
    }
  }
  const double mean = sum / kCrossings;
  EXPECT_NEAR(mean, 20, 5 * std::sqrt(20. / kCrossings));
  EXPECT_NEAR(sum2 / kCrossings - mean * mean, 20, 4);
  EXPECT_TRUE(mirrored);
}

}  // namespace
}  // namespace jetcal::sim
