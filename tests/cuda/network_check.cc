// SPDX-License-Identifier: Apache-2.0
// Whole networks on the device against those of the room models.
#include <algorithm>
#include <cmath>
#include <memory>

#include "jetcal/base/error.h"
#include "jetcal/cuda/predictor.h"
#include "jetcal/cuda/training_pass.h"
#include "jetcal/cuda/training_step.h"
#include "jetcal/kernels/optimizer_step.h"
#include "jetcal/models/predictor.h"
#include "jetcal/models/training_pass.h"
#include "tests/cuda/check.h"
#include "tests/models/random_jets.h"
#ifdef JETCAL_CUDA_EMULATED
#include "jetcal/cuda/detail/launch.h"
#endif

namespace jetcal::cuda {
namespace {

using models::ModelConfig;
using models::Network;
using Floats = std::vector<float>;

const std::vector<std::int64_t> kSizes{6, 0, 1, 2, 3, 9, 5, 14, 4, 1, 30, 0};

ModelConfig config_of(Network network, bool standardise, double dropout) {
  ModelConfig config = models::tiny(network);
  config.standardise = standardise;
  config.dropout = dropout;
  return config;
}

struct PassResult {
  Floats y, buffers, gradient;
};

template <typename Pass>
PassResult run(Pass& pass, const models::Model& model, const edm::FeatureBatch& jets) {
  PassResult result{Floats(static_cast<std::size_t>(jets.num_jets())), model.buffers,
                    Floats(model.parameters.size(), NAN)};
  pass.forward(model.parameters, result.buffers, jets.view(), 77, result.y);
  Floats grad_y(result.y.size());
  for (std::size_t j = 0; j < grad_y.size(); ++j) {
    grad_y[j] = static_cast<float>(std::sin(1.0 + static_cast<double>(j)));
  }
  pass.backward(model.parameters, grad_y, result.gradient);
  return result;
}

double length_of(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

double distance_of(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

// Tensor by tensor: a wrong one must not hide behind the length of all. A linear layer before a
// batch norm may have a gradient that is zero but for rounding, hence the floor.
void expect_gradients(const models::Model& model, const Floats& got, const Floats& want,
                      double bound) {
  const double all = length_of(want);
  for (const models::TensorSlice& slice : model.layout.parameters) {
    const auto part = [&slice](const Floats& values) {
      return std::span(values).subspan(static_cast<std::size_t>(slice.offset),
                                       static_cast<std::size_t>(slice.size));
    };
    const double distance = distance_of(part(got), part(want));
    const double limit = bound * (length_of(part(want)) + 1e-2 * all);
    if (distance <= limit) continue;
    report_failure(__FILE__, __LINE__,
                   "gradient of " + slice.name + ": distance " + std::to_string(distance) +
                       ", limit " + std::to_string(limit));
  }
}

struct PassCase {
  const char* name;
  ModelConfig config;
};

std::vector<PassCase> pass_cases() {
  std::vector<PassCase> cases;
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    cases.push_back({"plain", config_of(network, false, 0)});
    cases.push_back({"standardised, with dropout", config_of(network, true, 0.3)});
    ModelConfig single = config_of(network, false, 0);
    single.particle_layers = 1;
    single.edge_layers = 1;
    single.edge_blocks = 1;
    single.head_layers = 1;
    cases.push_back({"one layer of each", single});
    ModelConfig wide = config_of(network, false, 0.1);
    wide.particle_units = 50;
    wide.edge_units = 32;  // the first shortcut is the identity
    wide.neighbors = 40;   // more than there are others
    cases.push_back({"identity shortcut, all neighbors", wide});
  }
  return cases;
}

// Roundings of up to a dozen layers of some ten inputs, magnified by batch norm: a few hundred
// epsilon. Lists of neighbors agree because the coordinates differ by rounding alone.
constexpr double kPassBound = 2e-5;
constexpr double kGradientBound = 2e-4;

void expect_pass(const PassCase& test, const edm::FeatureBatch& jets) {
  const models::Model model = models::random_model(test.config, 41);
  models::TrainingPass reference(model.config, model.standardisation);
  TrainingPass pass(model.config, model.standardisation);
  const PassResult want = run(reference, model, jets);
  for (int repeat = 0; repeat < 2; ++repeat) {  // the second meets used work space
    const PassResult got = run(pass, model, jets);
    const auto bound = [](const Floats& values) {
      return [&values](std::size_t i) { return kPassBound * (1 + std::abs(values[i])); };
    };
    JETCAL_EXPECT_NEAR(got.y, want.y, bound(want.y), std::string("y, ") + test.name);
    JETCAL_EXPECT_NEAR(got.buffers, want.buffers, bound(want.buffers),
                       std::string("running statistics, ") + test.name);
    expect_gradients(model, got.gradient, want.gradient, kGradientBound);
  }
}

JETCAL_CHECK(ForwardAndBackwardAreThoseOfTheCpu) {
  for (const PassCase& test : pass_cases()) {
    expect_pass(test, models::random_jets(kSizes, 42));
  }
}

JETCAL_CHECK(BatchesWithoutEdgesOrParticlesRun) {
  for (const PassCase& test : pass_cases()) {
    expect_pass(test, models::random_jets({1, 1, 0, 1, 1, 1}, 43));
    expect_pass(test, models::random_jets({0, 0}, 44));
    expect_pass(test, models::random_jets({1}, 45));
  }
}

JETCAL_CHECK(TheSamePassServesBatchesOfAnySize) {
  const models::Model model = models::random_model(config_of(Network::ParticleNet, false, 0), 46);
  TrainingPass pass(model.config, model.standardisation);
  for (const std::vector<std::int64_t>& sizes :
       {std::vector<std::int64_t>{3, 2}, kSizes, {2}, {60, 9, 1}, {4, 5}}) {
    const edm::FeatureBatch jets = models::random_jets(sizes, 47);
    models::TrainingPass reference(model.config, model.standardisation);
    const PassResult want = run(reference, model, jets);
    const PassResult got = run(pass, model, jets);
    JETCAL_EXPECT_NEAR(
        got.y, want.y, [&](std::size_t i) { return kPassBound * (1 + std::abs(want.y[i])); }, "y");
    expect_gradients(model, got.gradient, want.gradient, kGradientBound);
  }
}

JETCAL_CHECK(TheSameCallGivesTheSameBits) {
  for (const Precision precision : {Precision::Float32, Precision::Tf32, Precision::Bfloat16}) {
    const models::Model model =
        models::random_model(config_of(Network::ParticleNet, false, 0.2), 48);
    const edm::FeatureBatch jets = models::random_jets(kSizes, 49);
    TrainingPass pass(model.config, model.standardisation, precision);
    const PassResult first = run(pass, model, jets);
#ifdef JETCAL_CUDA_EMULATED
    detail::emulate_backwards() = true;  // blocks and threads in the opposite order
#endif
    const PassResult second = run(pass, model, jets);
#ifdef JETCAL_CUDA_EMULATED
    detail::emulate_backwards() = false;
#endif
    JETCAL_EXPECT(first.y == second.y);
    JETCAL_EXPECT(first.gradient == second.gradient);
  }
}

JETCAL_CHECK(LowerPrecisionStaysNear) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    ModelConfig config = config_of(network, true, 0);
    config.neighbors = 40;  // all others: rounding cannot change the lists
    config.particle_units = config.edge_units = 32;
    const models::Model model = models::random_model(config, 50);
    const edm::FeatureBatch jets = models::random_jets(kSizes, 51);
    models::TrainingPass reference(model.config, model.standardisation);
    const PassResult want = run(reference, model, jets);
    for (const Precision precision : {Precision::Tf32, Precision::Bfloat16}) {
      TrainingPass pass(model.config, model.standardisation, precision);
      const PassResult got = run(pass, model, jets);
      // Five to ten roundings to 8 bits one after the other.
      JETCAL_EXPECT(distance_of(got.y, want.y) <= 0.03 * length_of(want.y));
      JETCAL_EXPECT(distance_of(got.gradient, want.gradient) <= 0.15 * length_of(want.gradient));
    }
  }
}

// ---- training steps
// ---------------------------------------------------------------------------------

struct CpuTraining {
  explicit CpuTraining(const models::Model& start, UpdateRule update_rule)
      : model(start),
        rule(update_rule),
        pass(start.config, start.standardisation),
        average(start.parameters.size()),
        square(start.parameters.size()),
        slow(start.parameters) {}

  double step(const edm::FeatureBatch& jets, std::uint64_t seed, double learning_rate) {
    Floats y(static_cast<std::size_t>(jets.num_jets()));
    pass.forward(model.parameters, model.buffers, jets.view(), seed, y);
    double loss = 0;
    Floats grad_y(y.size());
    for (std::size_t j = 0; j < y.size(); ++j) {
      if (!(std::abs(jets.target[j]) < 1)) continue;
      const double count = static_cast<double>(y.size());
      loss += std::abs(static_cast<double>(y[j]) - jets.target[j]) / count;
      grad_y[j] = static_cast<float>((y[j] > jets.target[j] ? 1 : -1) / count);
    }
    gradient.resize(model.parameters.size());
    pass.backward(model.parameters, grad_y, gradient);
    update(learning_rate);
    return loss;
  }
  void update(double learning_rate) {
    ++steps;
    Floats& p = model.parameters;
    kernels::AdamStep adam;
    adam.learning_rate = learning_rate;
    adam.weight_decay = rule.weight_decay;
    adam.decay_apart = rule.kind == UpdateKind::AdamW;
    adam.step = steps;
    kernels::RangerStep ranger;
    ranger.learning_rate = learning_rate;
    ranger.weight_decay = rule.weight_decay;
    ranger.step = steps;
    const kernels::AdagradStep adagrad{learning_rate, kernels::AdagradStep().epsilon,
                                       rule.weight_decay};
    kernels::RmspropStep rmsprop;
    rmsprop.learning_rate = learning_rate;
    rmsprop.weight_decay = rule.weight_decay;
    switch (rule.kind) {
      case UpdateKind::Adam:
      case UpdateKind::AdamW:
        return kernels::adam_step(adam, gradient, p, average, square);
      case UpdateKind::Adagrad:
        return kernels::adagrad_step(adagrad, gradient, p, square);
      case UpdateKind::Rmsprop:
        return kernels::rmsprop_step(rmsprop, gradient, p, square);
      case UpdateKind::Ranger:
        return kernels::ranger_step(ranger, gradient, p, average, square, slow);
    }
  }

  models::Model model;
  UpdateRule rule;
  models::TrainingPass pass;
  Floats average, square, slow, gradient;
  std::int64_t steps = 0;
};

std::vector<edm::FeatureBatch> ten_batches() {
  std::vector<edm::FeatureBatch> batches;
  for (std::uint64_t i = 0; i < 10; ++i) {
    std::vector<std::int64_t> sizes = kSizes;
    sizes.push_back(static_cast<std::int64_t>(7 * i % 23));
    batches.push_back(models::random_jets(sizes, 60 + i));
    batches.back().target[2] = 1.5F;  // out of range: counts in the denominator alone
  }
  return batches;
}

constexpr UpdateRule kRules[] = {{UpdateKind::Adam, 1e-2},
                                 {UpdateKind::AdamW, 1e-2},
                                 {UpdateKind::Adagrad, 0},
                                 {UpdateKind::Rmsprop, 0},
                                 {UpdateKind::Ranger, 1e-2}};

JETCAL_CHECK(TenTrainingStepsFollowTheCpu) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    for (const UpdateRule& rule : kRules) {
      ModelConfig config = config_of(network, true, 0.1);
      config.neighbors = 40;
      const models::Model start = models::random_model(config, 70);
      CpuTraining reference(start, rule);
      TrainingStep step(start, rule);
      const auto batches = ten_batches();
      Floats got;
      Floats want;
      for (std::size_t i = 0; i < batches.size(); ++i) {
        want.push_back(static_cast<float>(reference.step(batches[i], i, 1e-3)));
        step.submit(batches[i], i, 1e-3);
        if (i % 3 == 2) got.push_back(static_cast<float>(step.next_outcome().loss));
      }
      while (got.size() < want.size()) {
        const StepOutcome outcome = step.next_outcome();
        JETCAL_EXPECT(outcome.loss_finite && outcome.gradient_finite);
        got.push_back(static_cast<float>(outcome.loss));
      }
      // The first losses differ by rounding; the sign of a tiny gradient may turn a step of Adam or
      // RMSprop round, which moves a parameter by twice the rate.
      JETCAL_EXPECT_NEAR(
          got, want,
          [&](std::size_t i) { return (i == 0 ? kPassBound : 1e-3) * (1 + std::abs(want[i])); },
          "losses");
      const models::Model& model = step.model();
      const double moved = distance_of(reference.model.parameters, start.parameters);
      JETCAL_EXPECT(moved > 0);
      JETCAL_EXPECT(distance_of(model.parameters, reference.model.parameters) < 0.05 * moved);
      JETCAL_EXPECT(distance_of(model.buffers, reference.model.buffers) <=
                    1e-3 * length_of(reference.model.buffers));
      JETCAL_EXPECT(step.moments().steps == 10);
    }
  }
}

JETCAL_CHECK(RestoredStepsGoOnWithTheSameBits) {
  const models::Model start = models::random_model(config_of(Network::Pfn, false, 0), 71);
  for (const UpdateRule& rule : kRules) {
    TrainingStep first(start, rule);
    const auto batches = ten_batches();
    for (int i = 0; i < 7; ++i) first.submit(batches[i], i, 1e-3);
    const models::Model middle = first.model();
    const UpdateMoments moments = first.moments();
    TrainingStep second(start, rule);
    second.restore(middle.parameters, middle.buffers, moments);
    for (int i = 7; i < 10; ++i) {
      first.submit(batches[i], i, 1e-3);
      second.submit(batches[i], i, 1e-3);
    }
    JETCAL_EXPECT(first.model().parameters == second.model().parameters);
    JETCAL_EXPECT(first.moments().square == second.moments().square);
  }
}

JETCAL_CHECK(StepsThatAreNotFiniteChangeNothing) {
  const models::Model start = models::random_model(config_of(Network::Pfn, false, 0), 72);
  TrainingStep step(start, {UpdateKind::Ranger, 0});
  edm::FeatureBatch bad = models::random_jets(kSizes, 73);
  bad.target[0] = NAN;
  step.submit(bad, 0, 1e-3);
  JETCAL_EXPECT(!step.next_outcome().loss_finite);
  JETCAL_EXPECT(step.model().parameters == start.parameters);
  JETCAL_EXPECT(step.moments().steps == 0);
  step.submit(models::random_jets(kSizes, 73), 0, 1e-3);
  JETCAL_EXPECT(step.next_outcome().loss_finite);
  JETCAL_EXPECT(step.model().parameters != start.parameters);
}

// ---- inference
// ----------------------------------------------------------------------------------------

void expect_prediction(const Predictor& predictor, const models::Predictor& reference,
                       const edm::FeatureBatch& jets) {
  Floats got(static_cast<std::size_t>(jets.num_jets()), NAN);
  Floats want(got.size());
  predictor.predict(jets.view(), got);
  reference.predict(jets.view(), want);
  JETCAL_EXPECT_NEAR(
      got, want, [&](std::size_t i) { return kPassBound * (1 + std::abs(want[i])); }, "prediction");
}

JETCAL_CHECK(PredictionsAreThoseOfTheCpu) {
  for (const PassCase& test : pass_cases()) {
    const models::Model model = models::random_model(test.config, 80);
    const Predictor predictor(model);
    const models::Predictor reference(model);
    for (const std::vector<std::int64_t>& sizes :
         {kSizes, std::vector<std::int64_t>{}, {0}, {1}, {0, 1, 0}, {90, 2, 33}}) {
      expect_prediction(predictor, reference, models::random_jets(sizes, 81));
    }
  }
}

JETCAL_CHECK(RecordedGraphsPredictNewJets) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    const models::Model model = models::random_model(config_of(network, true, 0), 82);
    const Predictor predictor(model);
    const models::Predictor reference(model);
    std::uint64_t seed = 83;
    for (int round = 0; round < 4; ++round) {  // in turn: another shape must not spoil a graph
      for (const std::int64_t n : {12, 40, 1, 0, 511, 520}) {
        if (n > 100 && round == 3) continue;
        expect_prediction(predictor, reference, models::random_jets({n}, seed++));
      }
    }
  }
}

JETCAL_CHECK(LowerPrecisionPredictsNearly) {
  for (const Network network : {Network::Pfn, Network::ParticleNet}) {
    ModelConfig config = config_of(network, true, 0);
    config.neighbors = 40;
    const models::Model model = models::random_model(config, 84);
    const models::Predictor reference(model);
    const edm::FeatureBatch jets = models::random_jets(kSizes, 85);
    Floats want(kSizes.size());
    reference.predict(jets.view(), want);
    for (const Precision precision : {Precision::Tf32, Precision::Bfloat16}) {
      const Predictor predictor(model, precision);
      Floats got(want.size());
      predictor.predict(jets.view(), got);
      JETCAL_EXPECT(distance_of(got, want) <= 0.03 * length_of(want));
    }
  }
}

JETCAL_CHECK(WrongShapesAreRefused) {
  const models::Model model = models::random_model(config_of(Network::Pfn, false, 0), 86);
  const Predictor predictor(model);
  edm::FeatureBatch jets = models::random_jets({3, 4}, 87);
  Floats y(2);
  const auto refuses = [&](const char* what) {
    try {
      predictor.predict(jets.view(), y);
    } catch (const Error& error) {
      JETCAL_EXPECT(error.code() == ErrorCode::InvalidArgument);
      return;
    }
    report_failure(__FILE__, __LINE__, std::string("took ") + what);
  };
  y.resize(3);
  refuses("a y of another size");
  y.resize(2);
  jets.particles.pop_back();
  refuses("too few particle features");
  jets = models::random_jets({3, 4}, 87);
  jets.offsets[1] = 8;
  refuses("offsets that fall");
}

JETCAL_CHECK(TransformersAreRefused) {
  const models::Model model = models::random_model(models::tiny(Network::ParticleTransformer), 88);
  const auto refuses = [](const auto& make) {
    try {
      make();
    } catch (const Error& error) {
      JETCAL_EXPECT(error.code() == ErrorCode::Unimplemented);
      return;
    }
    report_failure(__FILE__, __LINE__, "took a transformer");
  };
  refuses([&] { Predictor(model, Precision::Float32); });
  refuses([&] { TrainingPass(model.config, model.standardisation, Precision::Float32); });
}

}  // namespace
}  // namespace jetcal::cuda
