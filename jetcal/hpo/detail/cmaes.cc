// SPDX-License-Identifier: Apache-2.0
// CMA-ES with margin: make_cmaes.
//
// Hansen 2016 (the tutorial's parameters) on the numeric coordinates of the cube; integers and
// lists keep a margin of probability for cells beside the mean's (Hamano et al. 2022), words have a
// distribution of their own that moves with the same weights. The state is not stored: it is
// replayed from the history, every `population` trials that ended making one generation.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/normal.h"
#include "jetcal/hpo/detail/sampler.h"

namespace jetcal::hpo::detail {

namespace {

constexpr double kStartDeviation = 0.3;
constexpr double kSmallest = 1e-8;

// The distribution of a search, and how a generation moves it.
class Evolution {
 public:
  Evolution(const Encoding& encoding, std::size_t population) : encoding_(encoding) {
    for (std::size_t axis = 0; axis < encoding_.size(); ++axis)
      (encoding_.is_categorical(axis) ? words_ : numbers_).push_back(axis);
    const auto n = static_cast<Eigen::Index>(numbers_.size());
    mean_ = Eigen::VectorXd::Constant(n, 0.5);
    covariance_ = Eigen::MatrixXd::Identity(n, n);
    path_sigma_ = path_c_ = Eigen::VectorXd::Zero(n);
    for (const std::size_t axis : words_) {
      const std::int64_t cells = encoding_.num_cells(axis);
      chances_.push_back(Eigen::VectorXd::Constant(cells, 1.0 / static_cast<double>(cells)));
    }
    set_rates(std::max<double>(1, static_cast<double>(n)), population);
    decompose();
  }

  Point sample(Rng& rng) const {
    Point point(encoding_.size());
    Eigen::VectorXd z(mean_.size());
    // Points outside the cube are drawn anew, a few times; then they go to its edge.
    for (int attempt = 0; attempt < 20; ++attempt) {
      for (double& x : z) x = rng.normal();
      const Eigen::VectorXd x = mean_ + sigma_ * (root_ * z);
      for (std::size_t i = 0; i < numbers_.size(); ++i)
        point[numbers_[i]] = x[static_cast<Eigen::Index>(i)];
      if (x.size() == 0 || (x.minCoeff() >= 0 && x.maxCoeff() <= 1)) break;
    }
    for (const std::size_t axis : numbers_) point[axis] = std::clamp(point[axis], 0.0, 1.0);
    for (std::size_t w = 0; w < words_.size(); ++w) {
      double pick = rng.uniform();
      Eigen::Index word = 0;
      while (word + 1 < chances_[w].size() && pick >= chances_[w][word])
        pick -= chances_[w][word++];
      point[words_[w]] = encoding_.center(words_[w], word);
    }
    encoding_.snap(point);
    return point;
  }

  // `ranked`: the points of one generation, best first.
  void update(const std::vector<const Point*>& ranked) {
    const Eigen::Index n = mean_.size();
    Eigen::VectorXd step = Eigen::VectorXd::Zero(n);
    Eigen::MatrixXd rank_mu = Eigen::MatrixXd::Zero(n, n);
    for (Eigen::Index k = 0; k < weights_.size(); ++k) {
      const Eigen::VectorXd y = move_of(*ranked[static_cast<std::size_t>(k)]);
      step += weights_[k] * y;
      rank_mu += weights_[k] * y * y.transpose();
    }
    mean_ = (mean_ + sigma_ * step).cwiseMax(0).cwiseMin(1);
    ++generation_;
    path_sigma_ = (1 - c_sigma_) * path_sigma_ +
                  std::sqrt(c_sigma_ * (2 - c_sigma_) * mu_effective_) * (inverse_root_ * step);
    const double length = path_sigma_.norm();
    const double expected = std::sqrt(1 - std::pow(1 - c_sigma_, 2 * generation_));
    const bool stalled = length / expected >= (1.4 + 2 / (size_ + 1)) * chi_;
    path_c_ = (1 - c_c_) * path_c_;
    if (!stalled) path_c_ += std::sqrt(c_c_ * (2 - c_c_) * mu_effective_) * step;
    const double lost = stalled ? c_1_ * c_c_ * (2 - c_c_) : 0;
    covariance_ = (1 - c_1_ - c_mu_ + lost) * covariance_ + c_1_ * path_c_ * path_c_.transpose() +
                  c_mu_ * rank_mu;
    sigma_ *= std::exp(std::min(1.0, c_sigma_ / d_sigma_ * (length / chi_ - 1)));
    sigma_ = std::clamp(sigma_, kSmallest, 1.0);
    keep_margin();
    decompose();
    update_words(ranked);
  }

 private:
  void set_rates(double n, std::size_t population) {
    size_ = n;
    const auto parents = static_cast<Eigen::Index>(population / 2);
    weights_.resize(parents);
    for (Eigen::Index k = 0; k < parents; ++k)
      weights_[k] = std::log((static_cast<double>(population) + 1) / 2) -
                    std::log(static_cast<double>(k) + 1);
    weights_ /= weights_.sum();
    mu_effective_ = 1 / weights_.squaredNorm();
    c_sigma_ = (mu_effective_ + 2) / (n + mu_effective_ + 5);
    d_sigma_ = 1 + 2 * std::max(0.0, std::sqrt((mu_effective_ - 1) / (n + 1)) - 1) + c_sigma_;
    c_c_ = (4 + mu_effective_ / n) / (n + 4 + 2 * mu_effective_ / n);
    c_1_ = 2 / ((n + 1.3) * (n + 1.3) + mu_effective_);
    c_mu_ = std::min(1 - c_1_, 2 * (mu_effective_ - 2 + 1 / mu_effective_) /
                                   ((n + 2) * (n + 2) + mu_effective_));
    c_mu_ = std::max(0.0, c_mu_);
    chi_ = std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
    margin_ = 1 / (n * static_cast<double>(population));
  }

  // In deviations of the distribution; a point that came from an older, wider one is pulled in
  // (Hansen 2011, injected solutions). A parameter that did not exist has not moved.
  Eigen::VectorXd move_of(const Point& point) const {
    Eigen::VectorXd y(mean_.size());
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      const auto index = static_cast<Eigen::Index>(i);
      y[index] = std::isnan(point[numbers_[i]]) ? 0 : (point[numbers_[i]] - mean_[index]) / sigma_;
    }
    const double length = (inverse_root_ * y).norm();
    const double longest = std::sqrt(size_) + 2 * size_ / (size_ + 2);
    return length > longest ? Eigen::VectorXd(y * (longest / length)) : y;
  }

  // The nearest edge of the mean's cell stays within reach: at least `margin_` of probability lies
  // beyond it, or the axis would never move again.
  void keep_margin() {
    const double reach = -normal_quantile(margin_);
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      const std::int64_t cells = encoding_.num_cells(numbers_[i]);
      if (cells < 2) continue;
      const auto index = static_cast<Eigen::Index>(i);
      const std::int64_t cell = encoding_.cell_of(numbers_[i], mean_[index]);
      const double below = cell == 0 ? 2 : mean_[index] - encoding_.edge(numbers_[i], cell);
      const double above =
          cell + 1 == cells ? 2 : encoding_.edge(numbers_[i], cell + 1) - mean_[index];
      const double deviation = sigma_ * std::sqrt(covariance_(index, index));
      const double factor = std::min(below, above) / (reach * deviation);
      if (factor <= 1) continue;
      covariance_.row(index) *= factor;
      covariance_.col(index) *= factor;
    }
  }

  void update_words(const std::vector<const Point*>& ranked) {
    const double rate = std::min(0.5, 1 / std::sqrt(size_ + static_cast<double>(words_.size())));
    for (std::size_t w = 0; w < words_.size(); ++w) {
      Eigen::VectorXd target = Eigen::VectorXd::Zero(chances_[w].size());
      double seen = 0;
      for (Eigen::Index k = 0; k < weights_.size(); ++k) {
        const double u = (*ranked[static_cast<std::size_t>(k)])[words_[w]];
        if (std::isnan(u)) continue;
        target[encoding_.cell_of(words_[w], u)] += weights_[k];
        seen += weights_[k];
      }
      chances_[w] += rate * (target - seen * chances_[w]);
      const double least = margin_ / static_cast<double>(chances_[w].size());
      chances_[w] = chances_[w].cwiseMax(std::max(least, 0.02));
      chances_[w] /= chances_[w].sum();
    }
  }

  void decompose() {
    if (mean_.size() == 0) return;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance_);
    const Eigen::VectorXd roots = solver.eigenvalues().cwiseMax(1e-14).cwiseSqrt();
    root_ = solver.eigenvectors() * roots.asDiagonal();
    inverse_root_ = solver.eigenvectors() * roots.cwiseInverse().asDiagonal() *
                    solver.eigenvectors().transpose();
  }

  const Encoding& encoding_;
  std::vector<std::size_t> numbers_;
  std::vector<std::size_t> words_;
  std::vector<Eigen::VectorXd> chances_;  // of the words of each categorical axis
  Eigen::VectorXd mean_, path_sigma_, path_c_, weights_;
  Eigen::MatrixXd covariance_, root_, inverse_root_;
  double sigma_ = kStartDeviation;
  double size_ = 1, mu_effective_ = 1, c_sigma_ = 0, d_sigma_ = 1, c_c_ = 0, c_1_ = 0, c_mu_ = 0;
  double chi_ = 1, margin_ = 0;
  int generation_ = 0;
};

class CmaesSampler final : public Sampler {
 public:
  CmaesSampler(const Setup& setup, const Encoding& encoding)
      : seed_(setup.seed), encoding_(encoding) {
    const std::int64_t given = setup.settings.integer("population", 0, 100'000);
    constexpr std::int64_t kLeast = 4;  // half of them, at least two, are the parents
    if (given > 0 && given < kLeast)
      fail(ErrorCode::InvalidArgument, "the setting 'population' of cmaes must be 0 or at least ",
           kLeast, ", not ", given);
    population_ =
        given > 0
            ? static_cast<std::size_t>(given)
            : 4 + static_cast<std::size_t>(3 * std::log(static_cast<double>(encoding_.size())));
  }

  std::optional<Point> sample(const View& view) override {
    Rng rng(mix64(seed_, static_cast<std::uint64_t>(view.number)));
    Evolution evolution(encoding_, population_);
    std::vector<std::size_t> generation;
    for (std::size_t i = 0; i < view.trials.size(); ++i) {
      if (view.standing[i] == Standing::Pending) continue;
      generation.push_back(i);
      if (generation.size() < population_) continue;
      evolution.update(ranked(view, generation));
      generation.clear();
    }
    return untried(encoding_, view.points, evolution.sample(rng), rng);
  }

 private:
  // Best first, failed trials last.
  static std::vector<const Point*> ranked(const View& view,
                                          const std::vector<std::size_t>& trials) {
    std::vector<std::size_t> known, failed;
    for (const std::size_t i : trials)
      (view.standing[i] == Standing::Known ? known : failed).push_back(i);
    std::vector<const Point*> points;
    for (const std::size_t i : order_of(view.outcomes, std::move(known)))
      points.push_back(&view.points[i]);
    for (const std::size_t i : failed) points.push_back(&view.points[i]);
    return points;
  }

  std::uint64_t seed_;
  const Encoding& encoding_;
  std::size_t population_ = 4;
};

}  // namespace

std::unique_ptr<Sampler> make_cmaes(const Setup& setup, const Encoding& encoding) {
  return std::make_unique<CmaesSampler>(setup, encoding);
}

}  // namespace jetcal::hpo::detail
