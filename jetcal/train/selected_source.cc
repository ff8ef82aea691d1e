// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/selected_source.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::train {
namespace {

template <typename T>
std::uint64_t hash_values(const std::vector<T>& values, std::uint64_t seed) {
  return hash_bytes({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)},
                    seed);
}

class SelectedSource final : public JetSource {
 public:
  SelectedSource(std::unique_ptr<JetSource> source, data::SelectedRows selected)
      : source_(std::move(source)), selected_(std::move(selected)) {}

  std::int64_t num_jets() const override {
    return selected_.all ? source_->num_jets() : std::ssize(selected_.rows);
  }

  void append_features(std::span<const std::int64_t> rows, edm::FeatureBatch& out) const override {
    if (selected_.all) {
      source_->append_features(rows, out);
    } else {
      std::vector<std::int64_t> inner(rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i] < 0 || rows[i] >= num_jets()) {
          fail(ErrorCode::InvalidArgument, "row ", rows[i], " is not among the ", num_jets(),
               " selected jets of the ", name());
        }
        inner[i] = selected_.rows[static_cast<std::size_t>(rows[i])];
      }
      source_->append_features(inner, out);
    }
    if (selected_.weights.empty()) return;
    for (const std::int64_t row : rows)
      out.weight.push_back(selected_.weights[static_cast<std::size_t>(row)]);
  }

  std::optional<data::JetTargets> read_targets(const std::function<void()>& check) const override {
    std::optional<data::JetTargets> targets = source_->read_targets(check);
    if (!targets) return targets;
    const auto take = [this](std::vector<float>& values) {
      if (selected_.all || values.empty()) return;
      std::vector<float> taken;
      taken.reserve(selected_.rows.size());
      for (const std::int64_t row : selected_.rows)
        taken.push_back(values[static_cast<std::size_t>(row)]);
      values = std::move(taken);
    };
    take(targets->target);
    take(targets->weight);
    targets->weight.insert(targets->weight.end(), selected_.weights.begin(),
                           selected_.weights.end());
    return targets;
  }

  std::string fingerprint() const override {
    std::uint64_t hash = hash_bytes(source_->fingerprint());
    hash = hash_values(selected_.rows, hash);
    hash = hash_values(selected_.weights, hash);
    return fmt::format("{:016x}", hash);
  }

  std::string name() const override { return source_->name(); }
  edm::InputOptions inputs() const override { return source_->inputs(); }

 private:
  std::unique_ptr<JetSource> source_;
  data::SelectedRows selected_;
};

}  // namespace

std::unique_ptr<JetSource> weigh(std::unique_ptr<JetSource> source, std::vector<float> weights) {
  if (weights.empty()) return source;
  data::SelectedRows selected;
  selected.weights = std::move(weights);
  return std::make_unique<SelectedSource>(std::move(source), std::move(selected));
}

JetSources select_jets(JetSources sources, data::RowSelection selection) {
  const auto narrow = [](std::unique_ptr<JetSource> source, data::SelectedRows& rows) {
    if (rows.all && rows.weights.empty()) return source;
    if (rows.account.kept == 0) {
      fail(ErrorCode::InvalidArgument, "the ", source->name(), " has no jets left, ",
           rows.account.read, " were read");
    }
    return std::unique_ptr<JetSource>(
        std::make_unique<SelectedSource>(std::move(source), std::move(rows)));
  };
  return {narrow(std::move(sources.train), selection.splits[0]),
          narrow(std::move(sources.validation), selection.splits[1]),
          narrow(std::move(sources.test), selection.splits[2]), std::move(sources.storage_report),
          std::move(sources.origin)};
}

}  // namespace jetcal::train
