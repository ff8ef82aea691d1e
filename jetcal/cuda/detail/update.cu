// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "jetcal/cuda/detail/element.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/rows.h"
#include "jetcal/cuda/detail/update.h"
#include "jetcal/kernels/optimizer_step.h"

namespace jetcal::cuda::detail {
namespace {

// Neither infinite nor NaN, without a library call.
JETCAL_DEVICE inline bool is_finite(float x) { return x - x == 0; }
JETCAL_DEVICE inline bool is_finite(double x) { return x - x == 0; }

struct LossBody {
  static constexpr const char* kName = "loss_and_gradient";
  struct Shared {
    double sums[kThreads];
  };
  const float* y;
  const float* target;
  std::int64_t num_jets, pitch;
  float* grad_y;
  StepReport* report;

  JETCAL_DEVICE std::int64_t steps(const Place& /*place*/) const { return 2; }
  JETCAL_DEVICE void step(std::int64_t step, const Place& place, Shared& shared) const {
    if (step == 1) {
      if (place.thread == 0) finish(shared);
      return;
    }
    double sum = 0;
    for (std::int64_t jet = place.thread; jet < num_jets; jet += kThreads) {
      const float wanted = target[jet];
      const float difference = y[jet * pitch] - wanted;
      const float counted = fabsf(wanted) < 1 ? 1.0F : 0.0F;
      // A product rather than a selection: NaN * 0 stays NaN, so bad numbers never pass unnoticed.
      sum += static_cast<double>(fabsf(difference) * counted);
      const float sign = difference > 0 ? 1.0F : (difference < 0 ? -1.0F : 0.0F);
      grad_y[jet * pitch] = sign * counted / static_cast<float>(num_jets);
      for (std::int64_t c = 1; c < pitch; ++c) grad_y[jet * pitch + c] = 0;
    }
    shared.sums[place.thread] = sum;
  }
  JETCAL_DEVICE void finish(const Shared& shared) const {
    double total = 0;
    for (const double sum : shared.sums) total += sum;
    report->loss = total / static_cast<double>(num_jets);
    report->loss_finite = is_finite(report->loss) ? 1 : 0;
    report->gradient_finite = 1;
  }
};

struct CheckBody : OneStep {
  static constexpr const char* kName = "check_gradient";
  const float* gradient;
  std::int64_t size;
  StepReport* report;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t i = flat_index(place);
    // Several threads may write; all write the same.
    if (i < size && !is_finite(gradient[i])) report->gradient_finite = 0;
  }
};

/// Constants of a rule, from the defaults of kernels/optimizer_step.h.
struct RuleConstants {
  UpdateKind kind;
  double learning_rate, weight_decay, beta1, beta2, epsilon, lookahead_alpha;
  std::int64_t lookahead_steps;
};

RuleConstants constants_of(const UpdateRule& rule, double learning_rate) {
  RuleConstants constants{rule.kind, learning_rate, rule.weight_decay, 0, 0, 0, 0, 1};
  const kernels::AdamStep adam;
  const kernels::RangerStep ranger;
  const kernels::AdagradStep adagrad;
  const kernels::RmspropStep rmsprop;
  switch (rule.kind) {
    case UpdateKind::Adam:
    case UpdateKind::AdamW:
      constants.beta1 = adam.beta1;
      constants.beta2 = adam.beta2;
      constants.epsilon = adam.epsilon;
      break;
    case UpdateKind::Adagrad:
      constants.epsilon = adagrad.epsilon;
      break;
    case UpdateKind::Rmsprop:
      constants.beta2 = rmsprop.alpha;
      constants.epsilon = rmsprop.epsilon;
      break;
    case UpdateKind::Ranger:
      constants.beta1 = ranger.beta1;
      constants.beta2 = ranger.beta2;
      constants.epsilon = ranger.epsilon;
      constants.lookahead_alpha = ranger.lookahead_alpha;
      constants.lookahead_steps = ranger.lookahead_steps;
      break;
  }
  return constants;
}

/// One thread counts the step and works out its coefficients.
struct PrepareBody : OneStep {
  static constexpr const char* kName = "prepare_update";
  RuleConstants rule;
  const StepReport* report;
  UpdateState* state;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    if (place.thread != 0) return;
    state->apply = report->loss_finite != 0 && report->gradient_finite != 0 ? 1 : 0;
    if (state->apply == 0) return;
    ++state->steps;
    const bool decay_apart = rule.kind == UpdateKind::AdamW || rule.kind == UpdateKind::Ranger;
    state->keep = decay_apart ? static_cast<float>(1 - rule.learning_rate * rule.weight_decay) : 1;
    state->shrink = decay_apart ? 0 : static_cast<float>(rule.weight_decay);
    state->beta1 = static_cast<float>(rule.beta1);
    state->gain1 = static_cast<float>(1 - rule.beta1);
    state->beta2 = static_cast<float>(rule.beta2);
    state->gain2 = static_cast<float>(1 - rule.beta2);
    state->rate = static_cast<float>(rule.learning_rate);
    state->scale = 1;
    state->epsilon = static_cast<float>(rule.epsilon);
    state->alpha = static_cast<float>(rule.lookahead_alpha);
    state->scaled = 1;
    state->pull = 0;
    if (rule.kind == UpdateKind::Adagrad) {  // a sum, not a mean
      state->beta2 = 1;
      state->gain2 = 1;
    }
    if (rule.kind == UpdateKind::Adam || rule.kind == UpdateKind::AdamW) correct_bias();
    if (rule.kind == UpdateKind::Ranger) rectify();
  }
  JETCAL_DEVICE void correct_bias() const {
    const auto t = static_cast<double>(state->steps);
    state->rate = static_cast<float>(rule.learning_rate / (1 - pow(rule.beta1, t)));
    state->scale = static_cast<float>(1 / sqrt(1 - pow(rule.beta2, t)));
  }
  JETCAL_DEVICE void rectify() const {
    constexpr double kLeastVarianceLength = 5;
    const auto t = static_cast<double>(state->steps);
    const double power = pow(rule.beta2, t);
    const double rho_max = 2 / (1 - rule.beta2) - 1;
    const double rho = rho_max - 2 * t * power / (1 - power);
    double rate = rule.learning_rate / (1 - pow(rule.beta1, t));
    state->scaled = rho > kLeastVarianceLength ? 1 : 0;
    if (state->scaled != 0) {
      rate *= sqrt((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho)) *
              sqrt(1 - power);
    }
    state->rate = static_cast<float>(rate);
    state->pull = state->steps % rule.lookahead_steps == 0 ? 1 : 0;
  }
};

// In double, rounded where it is stored, as the reference variant does on the CPU.
struct UpdateBody : OneStep {
  static constexpr const char* kName = "update_parameters";
  const UpdateState* state;
  UpdateArrays arrays;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t i = flat_index(place);
    if (i >= arrays.size || state->apply == 0) return;
    const double p = arrays.parameters[i];
    double direction = arrays.gradient[i] + static_cast<double>(state->shrink) * p;
    arrays.square[i] = static_cast<float>(static_cast<double>(state->beta2) * arrays.square[i] +
                                          state->gain2 * direction * direction);
    if (arrays.average != nullptr) {
      arrays.average[i] = static_cast<float>(static_cast<double>(state->beta1) * arrays.average[i] +
                                             state->gain1 * direction);
      direction = arrays.average[i];
    }
    const double root = sqrt(static_cast<double>(arrays.square[i]));
    const double divisor = state->scaled != 0 ? state->scale * root + state->epsilon : 1.0;
    double updated = state->keep * p - state->rate * (direction / divisor);
    if (state->pull != 0 && arrays.slow != nullptr) {
      updated = arrays.slow[i] + state->alpha * (updated - arrays.slow[i]);
      arrays.slow[i] = static_cast<float>(updated);
    }
    arrays.parameters[i] = static_cast<float>(updated);
  }
};

struct TakeBody : OneStep {
  static constexpr const char* kName = "take_first_column";
  const float* x;
  std::int64_t rows, pitch;
  float* y;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t row = flat_index(place);
    if (row < rows) y[row] = x[row * pitch];
  }
};

}  // namespace

void loss_and_gradient(Queue& queue, const float* y, const float* target, std::int64_t num_jets,
                       std::int64_t pitch, float* grad_y, StepReport* report) {
  launch(queue, {1, 1}, LossBody{y, target, num_jets, pitch, grad_y, report});
}

void check_gradient(Queue& queue, const float* gradient, std::int64_t size, StepReport* report) {
  launch(queue, flat_grid(size), CheckBody{{}, gradient, size, report});
}

void update_parameters(Queue& queue, const UpdateRule& rule, double learning_rate,
                       const StepReport* report, UpdateState* state, const UpdateArrays& arrays) {
  launch(queue, {1, 1}, PrepareBody{{}, constants_of(rule, learning_rate), report, state});
  launch(queue, flat_grid(arrays.size), UpdateBody{{}, state, arrays});
}

void take_first_column(Queue& queue, const float* x, std::int64_t rows, std::int64_t pitch,
                       float* y) {
  launch(queue, flat_grid(rows), TakeBody{{}, x, rows, pitch, y});
}

}  // namespace jetcal::cuda::detail
