// SPDX-License-Identifier: Apache-2.0
// Tree-structured Parzen estimator: make_tpe.
//
// Bergstra et al. 2011, with kernels over all parameters at once (Falkner et al. 2018). Trials are
// ordered and cut into a good and a bad group; each group is a mixture of one kernel per trial and
// a uniform prior. Of points drawn from the good mixture the one with the highest ratio of the
// densities is tried. Running trials count as bad ones (constant liar), so that workers spread.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "jetcal/hpo/detail/normal.h"
#include "jetcal/hpo/detail/sampler.h"

namespace jetcal::hpo::detail {

namespace {

// Up to so many cells an axis has a table of kernel masses; beyond, cells are narrower than kernels
// and the density at the centre does.
constexpr std::int64_t kTabled = 64;
// So many words at most have a table; of more, a kernel cannot tell one from another.
constexpr std::int64_t kWords = 250;
// No kernel is narrower than this share of a cell, or of a continuous axis.
constexpr double kLeastOfCell = 0.3;
constexpr double kLeastWidth = 0.003;

// exp(x) for -36 <= x <= 0 to 1e-11 of itself; a loop over it becomes vector instructions, which
// the library's does not, and the sum over all kernels is spent in it. 2^n times the series of what
// is left, |r| <= ln(2) / 2; n stands in the last bits of a sum with 1.5 * 2^52.
double exp_of_negative(double x) noexcept {
  constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
  constexpr double kRound = 0x1.8p52;
  const double shifted = x * kLog2E + kRound;
  const double r = x - (shifted - kRound) * kLn2;
  double series = 1.0 / 362880;
  for (const double term :
       {1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0})
    series = series * r + term;
  constexpr std::uint64_t kBias = 1023;
  return series * std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) + kBias) << 52);
}

// The part of a normal distribution that lies in [0, 1].
double mass_inside(double center, double width) noexcept {
  constexpr double kAll = 8.3;  // beyond, what is missing is below the rounding of 1
  const double low = center / width, high = (1 - center) / width;
  return (high > kAll ? 1 : normal_cdf(high)) - (low > kAll ? 0 : normal_cdf(-low));
}

// Density of one group, relative to the uniform density. A kernel is a product over the parameters
// that exist for its trial; for a parameter that its trial did not have it is uniform.
class Mixture {
 public:
  Mixture(const Encoding& encoding, std::vector<const Point*> centers, std::vector<double> weights,
          double width)
      : encoding_(encoding), centers_(std::move(centers)), weights_(std::move(weights)) {
    const double count = static_cast<double>(centers_.size());
    for (std::size_t axis = 0; axis < encoding_.size(); ++axis)
      axes_.push_back(make_axis(axis, count, width));
    double total = 0;
    for (const double weight : weights_) total += weight;
    log_weights_.reserve(weights_.size());
    for (double& weight : weights_) {
      weight /= total;
      log_weights_.push_back(std::log(weight));
    }
  }

  // Draws a snapped point. The last weight is the prior's.
  Point sample(Rng& rng) const {
    double pick = rng.uniform();
    std::size_t kernel = 0;
    while (kernel + 1 < weights_.size() && pick >= weights_[kernel]) pick -= weights_[kernel++];
    Point point = encoding_.random(rng);
    if (kernel >= centers_.size()) return point;
    for (std::size_t axis = 0; axis < point.size(); ++axis) {
      const double center = (*centers_[kernel])[axis];
      if (!encoding_.active(axis, point)) continue;
      if (std::isnan(point[axis])) point[axis] = rng.uniform();
      if (!std::isnan(center)) point[axis] = draw(axis, center, rng);
    }
    encoding_.snap(point);
    return point;
  }

  // Logarithm of the density at a snapped point, relative to that of the uniform distribution.
  double log_density(const Point& point) {
    terms_ = log_weights_;
    for (std::size_t i = 0; i < axes_.size(); ++i) {
      if (std::isnan(point[i])) continue;
      const Axis& axis = axes_[i];
      if (!axis.log_mass.empty()) {
        const auto row = encoding_.cell_of(i, point[i]) * (axis.cells + 1);
        const double* log_mass = &axis.log_mass[static_cast<std::size_t>(row)];
        for (std::size_t k = 0; k < centers_.size(); ++k) terms_[k] += log_mass[axis.cell[k]];
        continue;
      }
      for (std::size_t k = 0; k < centers_.size(); ++k) {
        const double z = (point[i] - axis.center[k]) * axis.scale[k];
        terms_[k] -= 0.5 * z * z + axis.log_norm[k];
      }
    }
    const double highest = *std::max_element(terms_.begin(), terms_.end());
    constexpr double kNothing = -36;  // below the rounding of the sum
    for (double& term : terms_) term = exp_of_negative(std::max(kNothing, term - highest));
    const double sum = std::accumulate(terms_.begin(), terms_.end(), 0.0);
    return highest + std::log(sum);
  }

 private:
  struct Axis {
    std::int64_t cells = 0;
    double width = 1;
    double stay = 1;  // categorical: probability of the kernel's own word
    // Of an axis with few cells: [cells, cells + 1] by the cell of the point and of the kernel,
    // relative to uniform; the last column is for kernels that lack the parameter.
    std::vector<double> log_mass;
    std::vector<std::uint8_t> cell;               // by kernel
    std::vector<double> center, scale, log_norm;  // by kernel, of any other axis
  };

  Axis make_axis(std::size_t index, double count, double width) {
    Axis axis;
    axis.cells = encoding_.num_cells(index);
    const bool categorical = encoding_.is_categorical(index);
    axis.width = categorical ? 1 : width_of(index, width);
    const bool words = categorical && axis.cells <= kWords;
    if (words) tabulate_words(axis, count);
    if (!categorical && axis.cells > 0 && axis.cells <= kTabled) tabulate(index, axis);
    for (const Point* kernel : centers_) {
      const double center = (*kernel)[index];
      const bool absent = std::isnan(center);
      if (!axis.log_mass.empty()) {
        axis.cell.push_back(
            static_cast<std::uint8_t>(absent ? axis.cells : encoding_.cell_of(index, center)));
        continue;
      }
      const double mass = absent ? 1 : mass_inside(center, axis.width);
      axis.center.push_back(absent ? 0 : center);
      axis.scale.push_back(absent ? 0 : 1 / axis.width);
      axis.log_norm.push_back(absent ? 0 : std::log(mass * axis.width * std::sqrt(2 * M_PI)));
    }
    return axis;
  }

  double& log_mass(Axis& axis, std::int64_t point, std::int64_t kernel) const {
    return axis.log_mass[static_cast<std::size_t>(point * (axis.cells + 1) + kernel)];
  }

  // A word is a kernel of one count in count + 1, the prior spread over all words.
  void tabulate_words(Axis& axis, double count) const {
    const double cells = static_cast<double>(axis.cells);
    const double prior = 1 / (count + 1);
    axis.stay = (1 + prior) / (1 + prior * cells);
    const double other = prior / (1 + prior * cells);
    axis.log_mass.assign(static_cast<std::size_t>(axis.cells * (axis.cells + 1)), 0);
    for (std::int64_t a = 0; a < axis.cells; ++a)
      for (std::int64_t b = 0; b < axis.cells; ++b)
        log_mass(axis, b, a) = std::log((a == b ? axis.stay : other) * cells);
  }

  void tabulate(std::size_t index, Axis& axis) const {
    axis.log_mass.assign(static_cast<std::size_t>(axis.cells * (axis.cells + 1)), 0);
    for (std::int64_t a = 0; a < axis.cells; ++a) {
      const double center = encoding_.center(index, a);
      const auto cdf = [&](double u) { return normal_cdf((u - center) / axis.width); };
      const double total = cdf(1) - cdf(0);
      double low = cdf(0);
      for (std::int64_t b = 0; b < axis.cells; ++b) {
        const double from = encoding_.edge(index, b);
        const double to = encoding_.edge(index, b + 1);
        const double high = cdf(to);
        log_mass(axis, b, a) = std::log(std::max(1e-300, (high - low) / (total * (to - from))));
        low = high;
      }
    }
  }

  // Kernels are as wide as the group is spread and narrower the more there are (Scott's rule), at
  // least `width` shared between them.
  double width_of(std::size_t index, double factor) const {
    double sum = 0, squares = 0, count = 0;
    for (const Point* center : centers_) {
      const double u = (*center)[index];
      if (std::isnan(u)) continue;
      sum += u;
      squares += u * u;
      count += 1;
    }
    if (count < 1) return 1;
    const double mean = sum / count;
    // With the prior's point in the middle of a uniform distribution.
    const double variance = (std::max(0.0, squares - count * mean * mean) + 1.0 / 12) / (count + 1);
    const double scott = std::pow(count, -1 / (static_cast<double>(encoding_.size()) + 4));
    const std::int64_t cells = encoding_.num_cells(index);
    const double least =
        cells > 0 && cells <= kTabled ? kLeastOfCell / static_cast<double>(cells) : kLeastWidth;
    return std::clamp(factor * std::sqrt(variance) * scott, least, 1.0);
  }

  double draw(std::size_t index, double center, Rng& rng) const {
    const Axis& axis = axes_[index];
    if (encoding_.is_categorical(index)) {
      const std::int64_t own = encoding_.cell_of(index, center);
      if (axis.log_mass.empty()) return rng.below(2) == 0 ? center : rng.uniform();
      if (axis.cells < 2 || rng.uniform() < axis.stay) return center;
      const auto other =
          static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(axis.cells - 1)));
      return encoding_.center(index, other + (other >= own ? 1 : 0));
    }
    const double low = normal_cdf(-center / axis.width);
    const double high = normal_cdf((1 - center) / axis.width);
    const double z = normal_quantile(low + rng.uniform() * (high - low));
    return std::clamp(center + axis.width * z, 0.0, 1.0);
  }

  const Encoding& encoding_;
  std::vector<const Point*> centers_;
  std::vector<double> weights_;  // of the kernels and, last, of the prior
  std::vector<double> log_weights_;
  std::vector<Axis> axes_;
  std::vector<double> terms_;
};

class TpeSampler final : public Sampler {
 public:
  TpeSampler(const Setup& setup, const Encoding& encoding)
      : seed_(setup.seed),
        encoding_(encoding),
        start_trials_(setup.settings.integer("start_trials", 1, 1'000'000)),
        candidates_(setup.settings.integer("candidates", 1, 1'000'000)),
        gamma_(setup.settings.number("gamma", 0.001, 0.9)),
        good_(setup.settings.integer("good_trials", 1, 1'000'000)),
        width_(setup.settings.number("width", 0.01, 10)),
        bad_width_(setup.settings.number("bad_width", 0.01, 10)),
        prior_(setup.settings.number("prior", 0.001, 100)) {}

  std::optional<Point> sample(const View& view) override {
    Rng rng(mix64(seed_, static_cast<std::uint64_t>(view.number)));
    std::vector<std::size_t> known;
    for (std::size_t i = 0; i < view.trials.size(); ++i)
      if (view.standing[i] == Standing::Known) known.push_back(i);
    if (static_cast<std::int64_t>(known.size()) < start_trials_)
      return untried(encoding_, view.points, encoding_.random(rng), rng);
    const std::vector<std::size_t> order = order_of(view.outcomes, std::move(known));
    const auto share =
        static_cast<std::size_t>(std::ceil(gamma_ * static_cast<double>(order.size())));
    const std::size_t good = std::min({share, static_cast<std::size_t>(good_), order.size()});
    std::vector<Group> groups(view.trials.size(), Group::Bad);
    for (std::size_t i = 0; i < groups.size(); ++i)
      if (view.standing[i] == Standing::Aside) groups[i] = Group::None;
    for (std::size_t place = 0; place < good; ++place) groups[order[place]] = Group::Good;
    return choose(view, groups, rng);
  }

 private:
  enum class Group : char { Good, Bad, None };

  Mixture mixture_of(const View& view, const std::vector<Group>& groups, Group which) const {
    std::vector<const Point*> centers;
    for (std::size_t i = 0; i < view.trials.size(); ++i)
      if (groups[i] == which) centers.push_back(&view.points[i]);
    std::vector<double> weights(centers.size(), 1);
    // The 25 newest count in full, older ones less the older they are.
    constexpr std::size_t kFull = 25;
    if (weights.size() > kFull) {
      const std::size_t old = weights.size() - kFull;
      const double lowest = 1 / static_cast<double>(weights.size());
      for (std::size_t i = 0; i < old; ++i)
        weights[i] = old == 1 ? lowest
                              : lowest + (1 - lowest) * static_cast<double>(i) /
                                             static_cast<double>(old - 1);
    }
    weights.push_back(prior_);
    return {encoding_, std::move(centers), std::move(weights),
            which == Group::Good ? width_ : bad_width_};
  }

  Point choose(const View& view, const std::vector<Group>& groups, Rng& rng) const {
    Mixture good = mixture_of(view, groups, Group::Good);
    Mixture bad = mixture_of(view, groups, Group::Bad);
    Point best;
    double best_ratio = -std::numeric_limits<double>::infinity();
    for (std::int64_t i = 0; i < candidates_; ++i) {
      Point point = good.sample(rng);
      if (view.points.contains(point)) continue;
      const double ratio = good.log_density(point) - bad.log_density(point);
      if (ratio > best_ratio) {
        best_ratio = ratio;
        best = std::move(point);
      }
    }
    if (best.empty()) return untried(encoding_, view.points, good.sample(rng), rng);
    return best;
  }

  std::uint64_t seed_;
  const Encoding& encoding_;
  std::int64_t start_trials_;
  std::int64_t candidates_;
  double gamma_;
  std::int64_t good_;
  double width_;
  double bad_width_;
  double prior_;
};

}  // namespace

std::unique_ptr<Sampler> make_tpe(const Setup& setup, const Encoding& encoding) {
  return std::make_unique<TpeSampler>(setup, encoding);
}

}  // namespace jetcal::hpo::detail
