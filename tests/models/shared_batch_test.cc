// SPDX-License-Identifier: Apache-2.0
// Workers that share a batch compute what one worker computes alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <mutex>
#include <numeric>
#include <thread>

#include "jetcal/base/threads.h"
#include "jetcal/models/training_pass.h"
#include "tests/models/random_jets.h"
#include "tests/models/reference_network.h"

namespace jetcal::models {
namespace {

constexpr std::uint64_t kDropoutSeed = 5;

// Adds up over threads that play workers, in the order of their numbers.
class ThreadSums {
 public:
  explicit ThreadSums(int world) : values_(static_cast<std::size_t>(world)), meet_(world) {}

  class Worker final : public kernels::SharedSums {
   public:
    Worker(ThreadSums& sums, int rank) : sums_(sums), rank_(static_cast<std::size_t>(rank)) {}
    void add_up(std::span<double> values) override {
      sums_.values_[rank_].assign(values.begin(), values.end());
      sums_.meet_.arrive_and_wait();
      std::vector<double> total(values.size(), 0.0);
      for (const std::vector<double>& of_worker : sums_.values_) {
        ASSERT_EQ(of_worker.size(), total.size());
        for (std::size_t i = 0; i < total.size(); ++i) total[i] += of_worker[i];
      }
      sums_.meet_.arrive_and_wait();
      std::ranges::copy(total, values.begin());
    }

   private:
    ThreadSums& sums_;
    std::size_t rank_;
  };

 private:
  std::vector<std::vector<double>> values_;
  std::barrier<> meet_;
};

struct Outcome {
  std::vector<float> y, buffers;
  std::vector<double> gradient;  // added up over workers
};

std::vector<float> grad_of_jets(std::int64_t begin, std::int64_t end) {
  std::vector<float> grad;
  for (std::int64_t jet = begin; jet < end; ++jet) {
    grad.push_back(static_cast<float>(std::sin(1.0 + static_cast<double>(jet))) / 16);
  }
  return grad;
}

// One thread a worker; each range of the gradient must be reported once.
Outcome run(const Model& model, const edm::FeatureBatch& jets, int world) {
  ThreadSums sums(world);
  Outcome outcome;
  outcome.y.resize(static_cast<std::size_t>(jets.num_jets()));
  outcome.gradient.assign(model.parameters.size(), 0.0);
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank) {
    threads.emplace_back([&, rank] {
      const std::int64_t begin = jets.num_jets() * rank / world;
      const std::int64_t end = jets.num_jets() * (rank + 1) / world;
      std::vector<std::int64_t> rows(static_cast<std::size_t>(end - begin));
      std::iota(rows.begin(), rows.end(), begin);
      const edm::FeatureBatch part = select(jets, rows);
      ThreadSums::Worker worker(sums, rank);
      TrainingPass pass(model.config, model.standardisation);
      std::vector<float> buffers = model.buffers;
      std::vector<float> y(static_cast<std::size_t>(end - begin));
      pass.forward(model.parameters, buffers, part.view(), kDropoutSeed, y,
                   {begin, world > 1 ? &worker : nullptr});
      std::vector<float> gradient(model.parameters.size(), NAN);
      std::vector<int> reported(gradient.size(), 0);
      std::int64_t before = std::ssize(gradient);
      pass.backward(model.parameters, grad_of_jets(begin, end), gradient,
                    [&](std::int64_t first, std::int64_t last) {
                      EXPECT_EQ(last, before) << "the last layers first";
                      before = first;
                      for (std::int64_t i = first; i < last; ++i) {
                        ++reported[static_cast<std::size_t>(i)];
                        ASSERT_TRUE(std::isfinite(gradient[static_cast<std::size_t>(i)])) << i;
                      }
                    });
      EXPECT_THAT(reported, testing::Each(1));
      const std::lock_guard lock(mutex);
      std::ranges::copy(y, outcome.y.begin() + begin);
      for (std::size_t i = 0; i < gradient.size(); ++i) outcome.gradient[i] += gradient[i];
      if (outcome.buffers.empty()) outcome.buffers = buffers;
      EXPECT_EQ(outcome.buffers, buffers) << "every worker has the same running statistics";
    });
  }
  for (std::thread& thread : threads) thread.join();
  return outcome;
}

double length_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

class SharedBatch : public testing::TestWithParam<Network> {
 protected:
  void SetUp() override { set_num_threads(1); }
  void TearDown() override { set_num_threads(0); }
};

// Compares workers that share a batch with one that has it alone.
void expect_same_as_alone(const ModelConfig& config) {
  const Model model = random_model(config, 41);
  const edm::FeatureBatch jets = random_jets({6, 0, 1, 2, 3, 9, 5, 14, 4, 1, 7, 12, 3}, 42);
  const Outcome alone = run(model, jets, 1);
  // With 20 workers some have no jet, with 4 some have jets without edges.
  for (const int world : {2, 3, 4, 20}) {
    const Outcome shared = run(model, jets, world);
    for (std::size_t jet = 0; jet < alone.y.size(); ++jet) {
      EXPECT_NEAR(shared.y[jet], alone.y[jet], 1e-5 * (1 + std::abs(alone.y[jet]))) << world;
    }
    for (std::size_t i = 0; i < alone.buffers.size(); ++i) {
      EXPECT_NEAR(shared.buffers[i], alone.buffers[i], 2e-6 * (1 + std::abs(alone.buffers[i])));
    }
    std::vector<double> difference(alone.gradient.size());
    for (std::size_t i = 0; i < difference.size(); ++i) {
      difference[i] = shared.gradient[i] - alone.gradient[i];
    }
    EXPECT_LT(length_of(difference), 1e-5 * length_of(alone.gradient)) << world;
  }
}

TEST_P(SharedBatch, GivesWhatOneWorkerGives) {
  ModelConfig config = tiny(GetParam());
  config.dropout = 0.3;
  expect_same_as_alone(config);
}

TEST_P(SharedBatch, GivesWhatOneWorkerGivesWithANormBeforeTheHead) {
  ModelConfig config = tiny(GetParam());
  config.norm = Norm::Batch;
  expect_same_as_alone(config);
}

INSTANTIATE_TEST_SUITE_P(Networks, SharedBatch,
                         testing::Values(Network::Pfn, Network::ParticleNet,
                                         Network::ParticleTransformer),
                         [](const auto& info) { return std::string(network_name(info.param)); });

}  // namespace
}  // namespace jetcal::models
