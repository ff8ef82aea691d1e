// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/lbfgs.h"

#include <cmath>
#include <deque>

namespace jetcal::hpo::detail {

namespace {

constexpr std::size_t kMemory = 8;
constexpr int kHalvings = 6;
constexpr double kEnoughOfSlope = 1e-4;  // Armijo
constexpr double kTolerance = 1e-5;

struct Move {
  Eigen::VectorXd step;
  Eigen::VectorXd slope_change;  // of the negative function, so that curvature is positive
  double curvature;
};

// Two-loop recursion (Nocedal 1980) on the coordinates that are free.
Eigen::VectorXd direction(const Eigen::VectorXd& slope, const std::deque<Move>& moves) {
  Eigen::VectorXd q = slope;
  std::vector<double> alpha(moves.size());
  for (std::size_t i = moves.size(); i-- > 0;) {
    alpha[i] = moves[i].step.dot(q) / moves[i].curvature;
    q -= alpha[i] * moves[i].slope_change;
  }
  if (!moves.empty()) {
    const Move& last = moves.back();
    q *= last.curvature / last.slope_change.squaredNorm();
  }
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const double beta = moves[i].slope_change.dot(q) / moves[i].curvature;
    q += (alpha[i] - beta) * moves[i].step;
  }
  return q;
}

}  // namespace

double maximise(Eigen::VectorXd& x, const Eigen::VectorXd& low, const Eigen::VectorXd& high,
                int steps, const SmoothFunction& function) {
  Eigen::VectorXd slope(x.size());
  double value = function(x, slope);
  std::deque<Move> moves;
  for (int step = 0; step < steps && std::isfinite(value); ++step) {
    const auto hold = [&](Eigen::VectorXd& vector) {
      for (Eigen::Index i = 0; i < x.size(); ++i)
        if ((x[i] <= low[i] && slope[i] < 0) || (x[i] >= high[i] && slope[i] > 0)) vector[i] = 0;
    };
    Eigen::VectorXd free_slope = slope;
    hold(free_slope);
    if (free_slope.lpNorm<Eigen::Infinity>() < kTolerance) break;
    Eigen::VectorXd along = direction(free_slope, moves);
    hold(along);
    if (along.dot(free_slope) <= 0) {
      along = free_slope;
      moves.clear();
    }
    // The first step knows no curvature: a tenth of the box at most.
    const double reach = moves.empty() ? 0.1 : 0.5;
    const double longest = (along.array().abs() / (high - low).array().max(1e-12)).maxCoeff();
    if (longest > reach) along *= reach / longest;
    bool moved = false;
    double length = 1;
    for (int half = 0; half < kHalvings; ++half, length *= 0.4) {
      const Eigen::VectorXd next = (x + length * along).cwiseMax(low).cwiseMin(high);
      Eigen::VectorXd next_slope(x.size());
      const double next_value = function(next, next_slope);
      const Eigen::VectorXd went = next - x;
      if (!(next_value >= value + kEnoughOfSlope * went.dot(free_slope))) continue;
      Move move{went, slope - next_slope, 0};
      move.curvature = move.step.dot(move.slope_change);
      if (move.curvature > 1e-10 * move.slope_change.squaredNorm()) {
        moves.push_back(std::move(move));
        if (moves.size() > kMemory) moves.pop_front();
      }
      moved = next_value > value + kTolerance * 1e-2;
      x = next;
      value = next_value;
      slope = next_slope;
      break;
    }
    if (!moved) break;
  }
  return value;
}

}  // namespace jetcal::hpo::detail
