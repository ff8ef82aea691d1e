// SPDX-License-Identifier: Apache-2.0
// Gaussian process with expected improvement: make_gp.
//
// Losses are bent towards a normal distribution; two objectives become one by weights drawn anew
// for every proposal (ParEGO, Knowles 2006). Running trials count as observed at their expected
// value, so that workers spread. Constraints multiply the improvement by the probability that they
// hold. The acquisition is climbed from the best of many points: by its slope along continuous
// axes, from cell to cell along the others.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "jetcal/hpo/detail/gaussian_process.h"
#include "jetcal/hpo/detail/lbfgs.h"
#include "jetcal/hpo/detail/loss_scale.h"
#include "jetcal/hpo/detail/model_trials.h"
#include "jetcal/hpo/detail/normal.h"
#include "jetcal/hpo/detail/sampler.h"

namespace jetcal::hpo::detail {

namespace {

constexpr std::size_t kMaxTrials = 1000;  // memory grows with their square, time with their cube
constexpr std::size_t kMaxFit = 128;      // trials the kernel is fitted to
constexpr std::int64_t kFewCells = 12;    // axes with more are climbed as if continuous
constexpr std::int64_t kLarge = 200;      // trials beyond which fewer points are looked at
constexpr int kClimbSteps = 8;
constexpr int kRounds = 3;

// What is maximised: log expected improvement plus the log probabilities of the constraints.
class Acquisition {
 public:
  struct Term {
    GaussianProcess process;
    double threshold = 0;
  };

  Acquisition(Term* objective, std::vector<Term>* constraints)
      : objective_(objective), constraints_(*constraints) {}

  double value(const Point& point, Eigen::VectorXd* slope) const {
    double sum = 0;
    if (slope != nullptr) slope->setZero(static_cast<Eigen::Index>(point.size()));
    if (objective_ != nullptr) {
      const GpPrediction p = objective_->process.predict(point, slope != nullptr);
      const double deviation = std::sqrt(p.variance);
      const double z = (objective_->threshold - p.mean) / deviation;
      sum += std::log(deviation) + log_expected_improvement(z);
      if (slope != nullptr)
        add_slope(p, deviation, z, log_expected_improvement_slope(z), 1, *slope);
    }
    for (const Term& term : constraints_) {
      const GpPrediction p = term.process.predict(point, slope != nullptr);
      const double deviation = std::sqrt(p.variance);
      const double z = (term.threshold - p.mean) / deviation;
      const double log_probability = log_normal_cdf(z);
      sum += log_probability;
      if (slope != nullptr) {
        const double ratio = std::exp(-0.5 * z * z - 0.5 * std::log(2 * M_PI) - log_probability);
        add_slope(p, deviation, z, ratio, 0, *slope);
      }
    }
    return sum;
  }

  Eigen::VectorXd values(const std::vector<Point>& points) const {
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(points.size()));
    Eigen::VectorXd means, variances;
    if (objective_ != nullptr) {
      objective_->process.predict(points, means, variances);
      for (Eigen::Index i = 0; i < sum.size(); ++i) {
        const double deviation = std::sqrt(variances[i]);
        sum[i] += std::log(deviation) +
                  log_expected_improvement((objective_->threshold - means[i]) / deviation);
      }
    }
    for (const Term& term : constraints_) {
      term.process.predict(points, means, variances);
      for (Eigen::Index i = 0; i < sum.size(); ++i)
        sum[i] += log_normal_cdf((term.threshold - means[i]) / std::sqrt(variances[i]));
    }
    return sum;
  }

 private:
  // `by_z` is the slope by z of a term, which also has log(deviation) `logs` times.
  static void add_slope(const GpPrediction& p, double deviation, double z, double by_z, double logs,
                        Eigen::VectorXd& slope) {
    const Eigen::VectorXd deviation_slope = p.variance_slope / (2 * deviation);
    slope += by_z * (-p.mean_slope - z * deviation_slope) / deviation +
             logs * deviation_slope / deviation;
  }

  Term* objective_;
  std::vector<Term>& constraints_;
};

// Finds the point of highest acquisition that was not tried.
class Climber {
 public:
  Climber(const Encoding& encoding, const View& view, const Acquisition& acquisition)
      : encoding_(encoding), view_(view), acquisition_(acquisition) {
    for (std::size_t axis = 0; axis < encoding_.size(); ++axis) {
      const std::int64_t cells = encoding_.num_cells(axis);
      const bool smooth = cells == 0 || (cells > kFewCells && !encoding_.is_categorical(axis));
      if (smooth) smooth_.push_back(axis);
      if (cells > 1) stepped_.push_back(axis);
    }
  }

  std::optional<Point> best(std::vector<Point> starts, std::size_t climbs) {
    Eigen::VectorXd values = acquisition_.values(starts);
    std::vector<std::size_t> order(starts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&values](std::size_t a, std::size_t b) {
      return values[static_cast<Eigen::Index>(a)] > values[static_cast<Eigen::Index>(b)];
    });
    std::optional<Point> best;
    double highest = -std::numeric_limits<double>::infinity();
    for (std::size_t place = 0; place < std::min(climbs, order.size()); ++place) {
      Point point = starts[order[place]];
      const double value = climb(point, values[static_cast<Eigen::Index>(order[place])]);
      if (!(value > highest) || view_.points.contains(point) || runs_beside(point)) continue;
      highest = value;
      best = point;
    }
    // Where the model is sure of the minimum all climbs end beside what runs there already.
    for (std::size_t place = 0; !best && place < order.size(); ++place) {
      const Point& point = starts[order[place]];
      if (!view_.points.contains(point) && !runs_beside(point)) best = point;
    }
    return best;
  }

 private:
  // Tells whether a running trial would teach the same.
  bool runs_beside(const Point& point) const {
    constexpr double kBeside = 1e-3;
    for (std::size_t i = 0; i < view_.trials.size(); ++i) {
      if (view_.standing[i] != Standing::Pending) continue;
      const Point& other = view_.points[i];
      bool beside = true;
      for (std::size_t axis = 0; axis < point.size() && beside; ++axis)
        beside = std::isnan(point[axis]) ? std::isnan(other[axis])
                                         : std::abs(point[axis] - other[axis]) < kBeside;
      if (beside) return true;
    }
    return false;
  }

  double climb(Point& point, double value) {
    if (view_.points.contains(point)) value = -std::numeric_limits<double>::infinity();
    for (int round = 0; round < kRounds; ++round) {
      bool moved = climb_smooth(point, value);
      while (step(point, value)) moved = true;
      if (!moved || smooth_.empty()) break;
    }
    return value;
  }

  bool climb_smooth(Point& point, double& value) {
    std::vector<std::size_t> axes;
    for (const std::size_t axis : smooth_)
      if (!std::isnan(point[axis])) axes.push_back(axis);
    if (axes.empty()) return false;
    const auto count = static_cast<Eigen::Index>(axes.size());
    Eigen::VectorXd x(count);
    for (Eigen::Index i = 0; i < count; ++i) x[i] = point[axes[static_cast<std::size_t>(i)]];
    Point moved = point;
    maximise(x, Eigen::VectorXd::Zero(count), Eigen::VectorXd::Ones(count), kClimbSteps,
             [&](const Eigen::VectorXd& at, Eigen::VectorXd& slope) {
               for (Eigen::Index i = 0; i < count; ++i)
                 moved[axes[static_cast<std::size_t>(i)]] = at[i];
               Eigen::VectorXd full;
               const double here = acquisition_.value(moved, &full);
               for (Eigen::Index i = 0; i < count; ++i)
                 slope[i] = full[static_cast<Eigen::Index>(axes[static_cast<std::size_t>(i)])];
               return here;
             });
    for (Eigen::Index i = 0; i < count; ++i) moved[axes[static_cast<std::size_t>(i)]] = x[i];
    encoding_.snap(moved);
    if (view_.points.contains(moved)) return false;
    const double there = acquisition_.value(moved, nullptr);
    if (!(there > value)) return false;
    point = std::move(moved);
    value = there;
    return true;
  }

  // Moves one parameter to the best of its other cells; where there are many, one cell up or down.
  bool step(Point& point, double& value) {
    std::vector<Point> neighbours;
    for (const std::size_t axis : stepped_) {
      if (std::isnan(point[axis])) continue;
      const std::int64_t cells = encoding_.num_cells(axis);
      const std::int64_t own = encoding_.cell_of(axis, point[axis]);
      const bool near = cells > kFewCells && !encoding_.is_categorical(axis);
      for (std::int64_t cell = near ? std::max<std::int64_t>(0, own - 1) : 0;
           cell < (near ? std::min(cells, own + 2) : cells); ++cell) {
        if (cell == own) continue;
        Point moved = point;
        moved[axis] = encoding_.center(axis, cell);
        for (std::size_t later = axis + 1; later < moved.size(); ++later)
          if (std::isnan(moved[later]) && encoding_.active(later, moved)) moved[later] = 0.5;
        encoding_.snap(moved);
        if (!view_.points.contains(moved)) neighbours.push_back(std::move(moved));
      }
    }
    if (neighbours.empty()) return false;
    Eigen::Index best = 0;
    const double there = acquisition_.values(neighbours).maxCoeff(&best);
    if (!(there > value + 1e-9)) return false;
    point = neighbours[static_cast<std::size_t>(best)];
    value = there;
    return true;
  }

  const Encoding& encoding_;
  const View& view_;
  const Acquisition& acquisition_;
  std::vector<std::size_t> smooth_;
  std::vector<std::size_t> stepped_;
};

class GpSampler final : public Sampler {
 public:
  GpSampler(const Setup& setup, const Encoding& encoding)
      : seed_(setup.seed),
        num_objectives_(setup.objectives.size()),
        encoding_(encoding),
        start_trials_(setup.settings.integer("start_trials", 2, 1'000'000)),
        candidates_(setup.settings.integer("candidates", 10, 1'000'000)),
        climbs_(setup.settings.integer("climbs", 1, 1000)),
        fit_steps_(static_cast<int>(setup.settings.integer("fit_steps", 1, 1000))),
        bend_(setup.settings.flag("bend")) {}

  std::optional<Point> sample(const View& view) override {
    Rng rng(mix64(seed_, static_cast<std::uint64_t>(view.number)));
    const ModelTrials ended = model_trials(view, kMaxTrials);
    left_out_ = ended.left_out;
    const Data data = read(view, ended.places, rng);
    if (data.known < start_trials_ || data.known == 0)
      return untried(encoding_, view.points, encoding_.random(rng), rng);
    // By value: the terms live as long as the acquisition.
    std::vector<Acquisition::Term> objective;
    std::vector<Acquisition::Term> constraints;
    for (const Eigen::VectorXd& values : data.constraints)
      constraints.push_back(constraint_term(data, values));
    if (data.feasible) objective.push_back(objective_term(data));
    const Acquisition acquisition(objective.empty() ? nullptr : objective.data(), &constraints);
    Climber climber(encoding_, view, acquisition);
    std::optional<Point> best = climber.best(starts(data, view, rng), climbs(data));
    if (best) return best;
    return untried(encoding_, view.points, encoding_.random(rng), rng);
  }
  std::int64_t left_out() const override { return left_out_; }

 private:
  struct Data {
    std::vector<const Point*> points;
    std::vector<const Point*> pending;
    Eigen::VectorXd losses;          // failed trials have the worst one
    std::vector<double> violations;  // 0: keeps the constraints
    std::vector<Eigen::VectorXd> constraints;
    std::int64_t known = 0;
    bool feasible = false;
  };

  Data read(const View& view, const std::vector<std::size_t>& ended, Rng& rng) const {
    Data data;
    std::vector<std::size_t> known, failed;
    std::size_t num_constraints = 0;
    for (std::size_t i = 0; i < view.trials.size(); ++i)
      if (view.standing[i] == Standing::Pending) data.pending.push_back(&view.points[i]);
    for (const std::size_t i : ended) {
      if (view.standing[i] == Standing::Failed) {
        failed.push_back(i);
        continue;
      }
      known.push_back(i);
      num_constraints = std::max(num_constraints, view.trials[i].constraints.size());
    }
    data.known = static_cast<std::int64_t>(known.size());
    if (known.empty()) return data;
    const std::vector<double> losses = scalar_losses(view, known, rng);
    const double worst = *std::max_element(losses.begin(), losses.end());
    data.losses.resize(static_cast<Eigen::Index>(known.size() + failed.size()));
    data.losses.setConstant(worst);
    for (std::size_t k = 0; k < known.size(); ++k) {
      data.points.push_back(&view.points[known[k]]);
      data.losses[static_cast<Eigen::Index>(k)] = losses[k];
      data.violations.push_back(view.outcomes[known[k]].violation);
      data.feasible = data.feasible || data.violations.back() <= 0;
    }
    for (std::size_t c = 0; c < num_constraints; ++c) {
      Eigen::VectorXd values = Eigen::VectorXd::Zero(data.known);
      for (std::size_t k = 0; k < known.size(); ++k) {
        const std::vector<double>& measured = view.trials[known[k]].constraints;
        if (c < measured.size() && std::isfinite(measured[c]))
          values[static_cast<Eigen::Index>(k)] = measured[c];
      }
      // A constraint that no trial has come near to breaking needs no model.
      if (values.maxCoeff() > 0) data.constraints.push_back(std::move(values));
    }
    for (const std::size_t i : failed) {
      data.points.push_back(&view.points[i]);
      data.violations.push_back(1);
    }
    return data;
  }

  std::vector<double> scalar_losses(const View& view, const std::vector<std::size_t>& known,
                                    Rng& rng) const {
    std::vector<double> scalar(known.size(), 0);
    if (num_objectives_ == 1) {
      for (std::size_t k = 0; k < known.size(); ++k) scalar[k] = view.outcomes[known[k]].losses[0];
      return scalar;
    }
    // Augmented Chebyshev distance, every objective bent and scaled to [0, 1].
    const double share = rng.uniform();
    std::vector<double> highest(known.size(), 0);
    for (std::size_t objective = 0; objective < 2; ++objective) {
      Eigen::VectorXd values(static_cast<Eigen::Index>(known.size()));
      for (std::size_t k = 0; k < known.size(); ++k)
        values[static_cast<Eigen::Index>(k)] = view.outcomes[known[k]].losses[objective];
      values = bend_to_normal(values);
      const double low = values.minCoeff();
      const double range = std::max(1e-12, values.maxCoeff() - low);
      const double weight = objective == 0 ? share : 1 - share;
      for (std::size_t k = 0; k < known.size(); ++k) {
        const double term = weight * (values[static_cast<Eigen::Index>(k)] - low) / range;
        highest[k] = std::max(highest[k], term);
        scalar[k] += 0.05 * term;
      }
    }
    for (std::size_t k = 0; k < known.size(); ++k) scalar[k] += highest[k];
    return scalar;
  }

  // The trials a kernel is fitted to: all of a few; of many the best half and others spread evenly.
  GpParameters fit(const std::vector<const Point*>& points, const Eigen::VectorXd& y) const {
    GaussianProcess process(encoding_);
    if (points.size() <= kMaxFit) {
      process.set_data(points, y);
      return process.fit(process.start(), fit_steps_);
    }
    std::vector<std::size_t> order(points.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&y](std::size_t a, std::size_t b) {
      return y[static_cast<Eigen::Index>(a)] < y[static_cast<Eigen::Index>(b)];
    });
    std::vector<const Point*> some;
    Eigen::VectorXd values(static_cast<Eigen::Index>(kMaxFit));
    for (std::size_t k = 0; k < kMaxFit; ++k) {
      const std::size_t rest = order.size() - kMaxFit / 2;
      const std::size_t place =
          k < kMaxFit / 2 ? k : kMaxFit / 2 + (k - kMaxFit / 2) * rest / (kMaxFit - kMaxFit / 2);
      some.push_back(points[order[place]]);
      values[static_cast<Eigen::Index>(k)] = y[static_cast<Eigen::Index>(order[place])];
    }
    process.set_data(some, values);
    return process.fit(process.start(), fit_steps_);
  }

  void add_pending(GaussianProcess& process, const Data& data) const {
    for (const Point* point : data.pending)
      process.append(*point, process.predict(*point, false).mean);
  }

  Acquisition::Term objective_term(const Data& data) const {
    const Eigen::VectorXd y = bend_ ? bend_to_normal(data.losses) : standardise(data.losses);
    Acquisition::Term term{GaussianProcess(encoding_), 0};
    const GpParameters parameters = fit(data.points, y);
    term.process.set_data(data.points, y);
    term.process.condition(parameters);
    add_pending(term.process, data);
    // What to improve on: the best expected value at a trial that keeps the constraints, since a
    // measured one may be luck; at a running one too, or workers would share one improvement.
    std::vector<char> keeps;
    for (const double violation : data.violations) keeps.push_back(violation > 0 ? 0 : 1);
    keeps.resize(keeps.size() + data.pending.size(), data.constraints.empty() ? 1 : 0);
    term.threshold = term.process.lowest_mean(keeps);
    return term;
  }

  Acquisition::Term constraint_term(const Data& data, const Eigen::VectorXd& values) const {
    const double mean = values.mean();
    const double deviation = std::max(1e-300, std::sqrt((values.array() - mean).square().mean()));
    const Eigen::VectorXd y = (values.array() - mean) / deviation;
    const std::vector<const Point*> points(data.points.begin(), data.points.begin() + data.known);
    Acquisition::Term term{GaussianProcess(encoding_), -mean / deviation};
    const GpParameters parameters = fit(points, y);
    term.process.set_data(points, y);
    term.process.condition(parameters);
    add_pending(term.process, data);
    return term;
  }

  // A large model is asked less, to keep to its time.
  std::size_t climbs(const Data& data) const {
    return static_cast<std::size_t>(data.known <= kLarge ? climbs_ : (climbs_ + 1) / 2);
  }

  // Random points, and changes of the best trials in one to three parameters.
  std::vector<Point> starts(const Data& data, const View& view, Rng& rng) const {
    const std::int64_t count = std::max<std::int64_t>(
        10, data.known <= kLarge ? candidates_ : candidates_ * kLarge / data.known);
    std::vector<std::size_t> order(static_cast<std::size_t>(data.known));
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&data](std::size_t a, std::size_t b) {
      const auto key = [&data](std::size_t i) {
        return std::make_pair(data.violations[i], data.losses[static_cast<Eigen::Index>(i)]);
      };
      return key(a) < key(b);
    });
    std::vector<Point> points;
    constexpr std::size_t kBest = 5;
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % 2 == 0) {
        points.push_back(encoding_.random(rng));
        continue;
      }
      Point point =
          *data.points[order[static_cast<std::size_t>(rng.below(std::min(kBest, order.size())))]];
      const Point other = encoding_.random(rng);
      const auto changes = 1 + rng.below(3);
      for (std::uint64_t change = 0; change < changes; ++change) {
        const auto axis = static_cast<std::size_t>(rng.below(point.size()));
        const bool smooth = encoding_.num_cells(axis) == 0 && !std::isnan(point[axis]);
        point[axis] = smooth && rng.below(2) == 0
                          ? std::clamp(point[axis] + 0.1 * rng.normal(), 0.0, 1.0)
                          : other[axis];
      }
      for (std::size_t axis = 0; axis < point.size(); ++axis)
        if (std::isnan(point[axis])) point[axis] = rng.uniform();
      encoding_.snap(point);
      if (!view.points.contains(point)) points.push_back(std::move(point));
    }
    return points;
  }

  std::uint64_t seed_;
  std::size_t num_objectives_;
  const Encoding& encoding_;
  std::int64_t start_trials_;
  std::int64_t candidates_;
  std::int64_t climbs_;
  int fit_steps_;
  bool bend_;
  std::int64_t left_out_ = 0;
};

}  // namespace

std::unique_ptr<Sampler> make_gp(const Setup& setup, const Encoding& encoding) {
  return std::make_unique<GpSampler>(setup, encoding);
}

}  // namespace jetcal::hpo::detail
