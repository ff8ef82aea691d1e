// SPDX-License-Identifier: Apache-2.0
// A network with its weights, and the file that holds it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "jetcal/models/calibration.h"
#include "jetcal/models/model_config.h"

namespace jetcal::models {

/// Places one named tensor inside a flat buffer.
struct TensorSlice {
  std::string name;                 ///< e.g. "block1.edge0.weight"
  std::vector<std::int64_t> shape;  ///< Linear weights are [out, in], row-major.
  std::int64_t offset = 0;          ///< In elements.
  std::int64_t size = 0;
};

/// Lists the tensors of a configuration: parameters are trained, buffers (running mean and variance
/// of batch normalisation) are not.
struct Layout {
  std::vector<TensorSlice> parameters, buffers;
  std::int64_t num_parameters = 0, num_buffers = 0;
};
Layout make_layout(const ModelConfig& config);

/// Shifts and scales of the inputs: x' = (x - mean) / deviation. Empty vectors mean none. Where
/// there are bounds, x is clipped to them first; they come with shifts only.
struct Standardisation {
  std::vector<float> particle_mean, particle_deviation;  ///< [particle features]
  std::vector<float> jet_mean, jet_deviation;            ///< [jet features]
  std::vector<float> particle_low, particle_high;        ///< [particle features], or empty
  std::vector<float> jet_low, jet_high;                  ///< [jet features], or empty as the others
  bool empty() const noexcept { return particle_mean.empty(); }
  bool has_bounds() const noexcept { return !particle_low.empty(); }
};

/// Counts the values that the bounds of a model clip, feature by feature.
struct ClipCounts {
  std::vector<std::int64_t> particles, jets;  ///< [6] and [8], or empty where there are no bounds.
  void add(const Standardisation& standardisation, const edm::FeatureView& features);
};

/// Accumulates mean and deviation of features in double, order-independent up to rounding.
class StandardisationFit {
 public:
  explicit StandardisationFit(const edm::InputOptions& inputs = {});
  void add(const edm::FeatureView& features);
  /// A constant feature gets deviation 1. Throws InvalidArgument when nothing was added.
  Standardisation result() const;

 private:
  std::vector<double> particle_sum_, particle_sum2_, jet_sum_, jet_sum2_;
  std::int64_t num_particles_ = 0, num_jets_ = 0;
};

/// Holds a network: configuration, weights, and where it came from.
struct Model {
  ModelConfig config;
  Layout layout;
  std::vector<float> parameters;  ///< [layout.num_parameters]
  std::vector<float> buffers;     ///< [layout.num_buffers]
  Standardisation standardisation;
  Calibration calibration;  ///< Of the trained network's outputs; empty where nothing was derived.
  std::map<std::string, std::string>
      provenance;  ///< run, commit, seed, data, losses: free text, kept in the file.

  std::span<const float> parameter(std::string_view name) const;  ///< Throws NotFound.
  std::span<const float> buffer(std::string_view name) const;     ///< Throws NotFound.
};

/// Makes a network with random weights: linear layers uniform in +-1/sqrt(in) as PyTorch's default,
/// batch norm 1 and 0.
Model initialise(const ModelConfig& config, std::uint64_t seed);

/// Writes the model in the safetensors format (configuration and provenance in its metadata);
/// atomic.
void save_model(const Model& model, const std::filesystem::path& path);

/// Reads it back. Throws NotFound; DataLoss for a truncated or corrupt file; InvalidArgument for a
/// tensor that is missing or has another shape, naming it.
Model load_model(const std::filesystem::path& path);

/// Returns 16 hex digits that change when any weight, buffer, shift or size changes.
std::string fingerprint(const Model& model);

}  // namespace jetcal::models
