// SPDX-License-Identifier: Apache-2.0
#include "jetcal/hpo/detail/sampler.h"

#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/hpo/detail/rungs.h"
#include "jetcal/hpo/sobol.h"

namespace jetcal::hpo::detail {

namespace {

class RandomSampler final : public Sampler {
 public:
  RandomSampler(std::uint64_t seed, const Encoding& encoding) : seed_(seed), encoding_(encoding) {}
  std::optional<Point> sample(const View& view) override {
    Rng rng(mix64(seed_, static_cast<std::uint64_t>(view.number)));
    return untried(encoding_, view.points, encoding_.random(rng), rng);
  }

 private:
  std::uint64_t seed_;
  const Encoding& encoding_;
};

class SobolSampler final : public Sampler {
 public:
  SobolSampler(const Setup& setup, const Encoding& encoding)
      : seed_(setup.seed),
        scramble_(setup.settings.flag("scramble")),
        encoding_(encoding),
        sobol_(encoding.size()) {}
  std::optional<Point> sample(const View& view) override {
    const auto index = static_cast<std::uint32_t>(view.number);
    Point point = scramble_ ? sobol_.scrambled(index, seed_) : sobol_.point(index);
    encoding_.snap(point);
    Rng rng(mix64(seed_, static_cast<std::uint64_t>(view.number)));
    return untried(encoding_, view.points, std::move(point), rng);
  }

 private:
  std::uint64_t seed_;
  bool scramble_;
  const Encoding& encoding_;
  Sobol sobol_;
};

// Counts through all combinations, the last parameter fastest.
class GridSampler final : public Sampler {
 public:
  GridSampler(const Setup& setup, const Encoding& encoding)
      : steps_(setup.settings.integer("points", 1, 1'000'000)), encoding_(encoding) {}

  std::optional<Point> sample(const View& view) override {
    // What was tried stays tried, so the search goes on where it was; a new history starts anew.
    if (view.trials.size() < seen_) digits_.clear();
    seen_ = view.trials.size();
    if (digits_.empty()) digits_.assign(encoding_.size(), 0);
    while (true) {
      Point point = at(digits_);
      if (exists(point) && !view.points.contains(encoding_.encode(encoding_.decode(point)))) {
        encoding_.snap(point);
        return point;
      }
      if (!advance()) return std::nullopt;
    }
  }

 private:
  std::int64_t count(std::size_t axis) const {
    const std::int64_t cells = encoding_.num_cells(axis);
    if (cells == 0) return steps_;
    return encoding_.is_categorical(axis) || is_list(axis) ? cells : std::min(cells, steps_);
  }
  bool is_list(std::size_t axis) const {
    return !encoding_.space().parameters()[axis].choices.empty();
  }
  Point at(const std::vector<std::int64_t>& digits) const {
    Point point(digits.size());
    for (std::size_t i = 0; i < digits.size(); ++i) {
      const std::int64_t cells = encoding_.num_cells(i);
      const std::int64_t points = count(i);
      const double share =
          points == 1 ? 0.5 : static_cast<double>(digits[i]) / static_cast<double>(points - 1);
      point[i] = cells == 0
                     ? share
                     : encoding_.center(i, std::llround(share * static_cast<double>(cells - 1)));
    }
    return point;
  }
  // Of the combinations that differ only in parameters that do not exist, one counts.
  bool exists(const Point& point) const {
    for (std::size_t i = 0; i < point.size(); ++i)
      if (digits_[i] != 0 && !encoding_.active(i, point)) return false;
    return true;
  }
  bool advance() {
    for (std::size_t i = digits_.size(); i-- > 0;) {
      if (++digits_[i] < count(i)) return true;
      digits_[i] = 0;
    }
    for (std::size_t i = 0; i < digits_.size(); ++i) digits_[i] = count(i) - 1;
    return false;
  }

  std::int64_t steps_;
  const Encoding& encoding_;
  std::vector<std::int64_t> digits_;
  std::size_t seen_ = 0;
};

// Changes one parameter that exists: a cell to one beside it, or to another word.
Point neighbour(const Encoding& encoding, const Point& point, Rng& rng) {
  Point moved = point;
  for (double& u : moved)
    if (std::isnan(u)) u = rng.uniform();  // in case the move brings it to life
  const auto axis = static_cast<std::size_t>(rng.below(moved.size()));
  const std::int64_t cells = encoding.num_cells(axis);
  if (cells == 0) {
    moved[axis] = rng.uniform();
  } else if (cells > 1) {
    const std::int64_t cell = encoding.cell_of(axis, moved[axis]);
    std::int64_t other = 0;
    if (encoding.is_categorical(axis)) {
      other = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(cells - 1)));
      other += other >= cell ? 1 : 0;
    } else {
      other = cell + (rng.below(2) == 0 ? 1 : -1);
      if (other < 0 || other >= cells) other = cell < cells / 2 ? 1 : cells - 2;
    }
    moved[axis] = encoding.center(axis, other);
  }
  encoding.snap(moved);
  return moved;
}

}  // namespace

Point untried(const Encoding& encoding, const PointTable& points, Point point, Rng& rng) {
  if (!points.contains(point)) return point;
  constexpr int kBeside = 50;
  constexpr int kAnywhere = 200;
  for (int i = 0; i < kBeside; ++i) {
    Point moved = neighbour(encoding, point, rng);
    if (!points.contains(moved)) return moved;
  }
  for (int i = 0; i < kAnywhere; ++i) {
    Point other = encoding.random(rng);
    if (!points.contains(other)) return other;
  }
  // A small space, nearly used up: look at all of it.
  constexpr std::int64_t kSmall = 10'000;
  const std::int64_t total = encoding.num_assignments(kSmall);
  const auto start =
      total > 0 ? static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(total))) : 0;
  for (std::int64_t i = 0; i < total; ++i) {
    std::int64_t index = (start + i) % total;
    Point other(point.size());
    for (std::size_t axis = 0; axis < other.size(); ++axis) {
      other[axis] = encoding.center(axis, index % encoding.num_cells(axis));
      index /= encoding.num_cells(axis);
    }
    encoding.snap(other);
    if (!points.contains(other)) return other;
  }
  return point;
}

void Reading::update(const History& history, const std::vector<Objective>& objectives,
                     std::int64_t budget) {
  standing_.clear();
  outcomes_.clear();
  standing_.reserve(history.trials.size());
  outcomes_.reserve(history.trials.size());
  for (const Trial& trial : history.trials) {
    Standing standing = standing_of(trial);
    std::optional<Outcome> outcome;
    if (budget > 0 && standing != Standing::Failed) {
      outcome = Rungs::at_budget(trial, budget, objectives);
      if (outcome) standing = Standing::Known;
      if (!outcome && standing == Standing::Known) standing = Standing::Aside;
    } else if (standing == Standing::Known) {
      outcome = outcome_of(trial, objectives);
    }
    standing_.push_back(standing);
    outcomes_.push_back(std::move(outcome).value_or(Outcome{}));
  }
}

std::unique_ptr<Sampler> make_random(const Setup& setup, const Encoding& encoding) {
  return std::make_unique<RandomSampler>(setup.seed, encoding);
}
std::unique_ptr<Sampler> make_sobol(const Setup& setup, const Encoding& encoding) {
  return std::make_unique<SobolSampler>(setup, encoding);
}
std::unique_ptr<Sampler> make_grid(const Setup& setup, const Encoding& encoding) {
  return std::make_unique<GridSampler>(setup, encoding);
}

}  // namespace jetcal::hpo::detail
