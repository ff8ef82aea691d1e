// SPDX-License-Identifier: Apache-2.0
// The networks in double, written straight from their definition: no factoring, no folding, no
// tiles. Weights are found by name. What the fast passes compute is held against it.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/models/model.h"
#include "tests/kernels/attention_definition.h"

namespace jetcal::models {

class ReferenceNetwork {
 public:
  struct Matrix {
    std::int64_t rows = 0, columns = 0;
    std::vector<double> values;
    Matrix(std::int64_t r, std::int64_t c)
        : rows(r), columns(c), values(static_cast<std::size_t>(r * c), 0.0) {}
    double& at(std::int64_t r, std::int64_t c) { return values[r * columns + c]; }
    double at(std::int64_t r, std::int64_t c) const { return values[r * columns + c]; }
  };
  struct Statistics {
    std::vector<double> mean, variance;  // variance is the biased one
    std::int64_t rows = 0;
  };

  explicit ReferenceNetwork(const Model& model)
      : model_(model), parameters_(model.parameters.begin(), model.parameters.end()) {}

  /// Uses the statistics of the batch instead of the running ones.
  void use_batch_statistics() { batch_ = true; }
  /// Multiplies the output of hidden head layer i by masks[i], [J, m].
  void set_dropout_masks(std::vector<std::vector<float>> masks) { masks_ = std::move(masks); }
  double& parameter(std::int64_t index) { return parameters_[index]; }
  /// The batch's statistics of every normalisation, by name, after a run with batch statistics.
  const std::map<std::string, Statistics>& statistics() const { return statistics_; }

  std::vector<double> run(const edm::FeatureView& features) {
    const Standardisation& shifts = model_.standardisation;
    const Matrix x = input(features.particles, features.particle_features, shifts.particle_mean,
                           shifts.particle_deviation);
    const Matrix jets =
        input(features.jets, features.jet_features, shifts.jet_mean, shifts.jet_deviation);
    const bool pfn = model_.config.network == Network::Pfn;
    const Matrix particles = pfn ? particle_network(x)
                             : model_.config.network == Network::ParticleTransformer
                                 ? attention_network(x, features)
                                 : edge_network(x, features);
    Matrix joined(jets.rows, particles.columns + jets.columns);
    for (std::int64_t jet = 0; jet < jets.rows; ++jet) {
      const std::int64_t begin = features.offsets[jet];
      const std::int64_t end = features.offsets[jet + 1];
      for (std::int64_t c = 0; c < particles.columns; ++c) {
        double sum = 0;
        for (std::int64_t p = begin; p < end; ++p) sum += particles.at(p, c);
        joined.at(jet, c) = sum * pooling(end - begin);
      }
      for (std::int64_t c = 0; c < jets.columns; ++c) {
        joined.at(jet, particles.columns + c) = jets.at(jet, c);
      }
    }
    if (model_.config.norm == Norm::Batch) joined = norm(joined, "head_norm");
    return head(joined).values;
  }

 private:
  // By what the sum over a jet's particles is multiplied.
  double pooling(std::int64_t count) const {
    const double mean = count == 0 ? 0.0 : 1.0 / static_cast<double>(count);
    switch (model_.config.pooling) {
      case Pooling::Sum:
        return 1;
      case Pooling::Mean:
        return mean;
      case Pooling::PaddedMean:
        return 0.01;
      case Pooling::Standard:
        break;
    }
    return model_.config.network == Network::Pfn ? 1 : mean;
  }

  static Matrix input(std::span<const float> values, std::int64_t channels,
                      const std::vector<float>& mean, const std::vector<float>& deviation) {
    Matrix x(std::ssize(values) / channels, channels);
    for (std::int64_t i = 0; i < std::ssize(values); ++i) {
      const std::int64_t c = i % channels;
      x.values[i] =
          mean.empty() ? values[i] : (values[i] - static_cast<double>(mean[c])) / deviation[c];
    }
    return x;
  }

  const double* find(const std::string& name) const {
    for (const TensorSlice& slice : model_.layout.parameters) {
      if (slice.name == name) return parameters_.data() + slice.offset;
    }
    fail(ErrorCode::Internal, "the reference knows no tensor ", name);
  }

  Matrix linear(const Matrix& x, const std::string& name, std::int64_t out, bool bias) const {
    const double* const weight = find(name + ".weight");
    const double* const shift = bias ? find(name + ".bias") : nullptr;
    Matrix y(x.rows, out);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      for (std::int64_t o = 0; o < out; ++o) {
        double sum = bias ? shift[o] : 0.0;
        for (std::int64_t c = 0; c < x.columns; ++c) sum += weight[o * x.columns + c] * x.at(r, c);
        y.at(r, o) = sum;
      }
    }
    return y;
  }

  static Matrix relu(Matrix x) {
    for (double& value : x.values) value = std::max(value, 0.0);
    return x;
  }

  Statistics statistics_of(const Matrix& x, const std::string& name) {
    Statistics result;
    result.rows = x.rows;
    if (!batch_) {
      const std::span<const float> mean = model_.buffer(name + ".running_mean");
      const std::span<const float> variance = model_.buffer(name + ".running_var");
      result.mean.assign(mean.begin(), mean.end());
      result.variance.assign(variance.begin(), variance.end());
      return result;
    }
    for (std::int64_t c = 0; c < x.columns; ++c) {
      double mean = 0;
      double variance = 0;
      for (std::int64_t r = 0; r < x.rows; ++r) mean += x.at(r, c) / static_cast<double>(x.rows);
      for (std::int64_t r = 0; r < x.rows; ++r) {
        const double distance = x.at(r, c) - mean;
        variance += distance * distance / static_cast<double>(x.rows);
      }
      result.mean.push_back(mean);
      result.variance.push_back(variance);
    }
    statistics_[name] = result;
    return result;
  }

  Matrix norm(const Matrix& x, const std::string& name) {
    const Statistics statistics = statistics_of(x, name);
    const double* const scale = find(name + ".weight");
    const double* const shift = find(name + ".bias");
    Matrix y(x.rows, x.columns);
    for (std::int64_t c = 0; c < x.columns; ++c) {
      const double deviation = std::sqrt(statistics.variance[c] + 1e-5);
      for (std::int64_t r = 0; r < x.rows; ++r) {
        y.at(r, c) = (x.at(r, c) - statistics.mean[c]) / deviation * scale[c] + shift[c];
      }
    }
    return y;
  }

  Matrix particle_network(Matrix x) {
    if (model_.config.norm == Norm::Batch) x = norm(x, "input_norm");
    for (int layer = 0; layer < model_.config.particle_layers; ++layer) {
      x = relu(linear(x, "particle" + std::to_string(layer), model_.config.particle_units, true));
    }
    return x;
  }

  // Lists, for every particle, its nearest others in the same jet.
  std::vector<std::vector<std::int64_t>> neighbors(const Matrix& x,
                                                   std::span<const std::int64_t> offsets) const {
    std::vector<std::vector<std::int64_t>> lists;
    for (std::int64_t jet = 0; jet + 1 < std::ssize(offsets); ++jet) {
      for (std::int64_t i = offsets[jet]; i < offsets[jet + 1]; ++i) {
        std::vector<std::pair<double, std::int64_t>> others;
        for (std::int64_t j = offsets[jet]; j < offsets[jet + 1]; ++j) {
          double distance = 0;
          for (std::int64_t c = 0; c < x.columns; ++c) {
            const double difference = x.at(i, c) - x.at(j, c);
            distance += difference * difference;
          }
          if (i != j) others.emplace_back(distance, j);
        }
        std::sort(others.begin(), others.end());
        auto& list = lists.emplace_back();
        for (std::size_t n = 0; n < others.size() && std::ssize(list) < model_.config.neighbors;
             ++n) {
          list.push_back(others[n].second);
        }
      }
    }
    return lists;
  }

  Matrix edge_block(const Matrix& x, const std::string& name,
                    const std::vector<std::vector<std::int64_t>>& lists) {
    const std::int64_t units = model_.config.edge_units;
    std::int64_t num_edges = 0;
    for (const auto& list : lists) num_edges += std::ssize(list);
    Matrix edges(num_edges, 2 * x.columns);
    std::int64_t edge = 0;
    for (std::int64_t i = 0; i < x.rows; ++i) {
      for (const std::int64_t j : lists[i]) {
        for (std::int64_t c = 0; c < x.columns; ++c) {
          edges.at(edge, c) = x.at(i, c);
          edges.at(edge, x.columns + c) = x.at(j, c) - x.at(i, c);
        }
        ++edge;
      }
    }
    for (int layer = 0; layer < model_.config.edge_layers; ++layer) {
      const std::string own = name + ".edge" + std::to_string(layer);
      edges = relu(norm(linear(edges, own, units, false), own + ".norm"));
    }
    const std::string own = name + ".shortcut";
    Matrix y = x.columns == units ? x : norm(linear(x, own, units, false), own + ".norm");
    edge = 0;
    for (std::int64_t i = 0; i < x.rows; ++i) {
      for (std::size_t n = 0; n < lists[i].size(); ++n, ++edge) {
        for (std::int64_t c = 0; c < units; ++c) {
          y.at(i, c) += edges.at(edge, c) / static_cast<double>(lists[i].size());
        }
      }
    }
    return relu(y);
  }

  Matrix edge_network(const Matrix& input, const edm::FeatureView& features) {
    Matrix x = norm(input, "input_norm");
    x = relu(norm(linear(x, "feature", kFeatureConvUnits, false), "feature.norm"));
    Matrix coordinates(features.num_particles(), 2);
    coordinates.values.assign(features.points.begin(), features.points.end());
    for (int block = 0; block < model_.config.edge_blocks; ++block) {
      x = edge_block(x, "block" + std::to_string(block), neighbors(coordinates, features.offsets));
      coordinates = x;
    }
    return x;
  }

  Matrix layer_norm(const Matrix& x, const std::string& name) const {
    const double* const scale = find(name + ".weight");
    const double* const shift = find(name + ".bias");
    const auto columns = static_cast<double>(x.columns);
    Matrix y(x.rows, x.columns);
    for (std::int64_t r = 0; r < x.rows; ++r) {
      double mean = 0;
      double variance = 0;
      for (std::int64_t c = 0; c < x.columns; ++c) mean += x.at(r, c) / columns;
      for (std::int64_t c = 0; c < x.columns; ++c) {
        variance += (x.at(r, c) - mean) * (x.at(r, c) - mean) / columns;
      }
      for (std::int64_t c = 0; c < x.columns; ++c) {
        y.at(r, c) = (x.at(r, c) - mean) / std::sqrt(variance + 1e-5) * scale[c] + shift[c];
      }
    }
    return y;
  }

  static Matrix sum(Matrix x, const Matrix& y) {
    for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
    return x;
  }

  Matrix attention_network(Matrix x, const edm::FeatureView& features) const {
    const ModelConfig& config = model_.config;
    const std::int64_t units = config.attention_units;
    for (int layer = 0; layer < config.embedding_layers; ++layer) {
      x = linear(x, "embedding" + std::to_string(layer), units, true);
      if (layer + 1 < config.embedding_layers) x = relu(x);
    }
    kernels::AttentionCase attention;
    attention.shape = {config.attention_heads, units / config.attention_heads};
    attention.offsets.assign(features.offsets.begin(), features.offsets.end());
    for (std::int64_t p = 0; p < x.rows; ++p) {
      for (const std::int64_t c : {0, 2, 3}) {  // ln pT, d_eta, d_phi
        attention.momenta.push_back(features.particles[p * features.particle_features + c]);
      }
    }
    for (int block = 0; block < config.attention_blocks; ++block) {
      const std::string name = "attention" + std::to_string(block);
      attention.qkv = linear(layer_norm(x, name + ".norm"), name + ".qkv", 3 * units, true).values;
      const double* const pair = find(name + ".pair.weight");
      attention.pair_weight.assign(pair, pair + config.attention_heads * kernels::kPairQuantities);
      Matrix attended(x.rows, units);
      attended.values = kernels::attention_of(attention);
      x = sum(x, linear(attended, name + ".out", units, true));
      const Matrix hidden = relu(linear(layer_norm(x, name + ".feed_norm"), name + ".expand",
                                        config.feed_forward_units, true));
      x = sum(x, linear(hidden, name + ".contract", units, true));
    }
    return layer_norm(x, "norm");
  }

  Matrix head(Matrix x) const {
    const int hidden = model_.config.head_layers;
    for (int layer = 0; layer < hidden; ++layer) {
      x = relu(linear(x, "head" + std::to_string(layer), model_.config.head_units, true));
      if (masks_.empty()) continue;
      for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] *= masks_[layer][i];
    }
    return linear(x, "head" + std::to_string(hidden), num_outputs(model_.config), true);
  }

  const Model& model_;
  std::vector<double> parameters_;
  std::vector<std::vector<float>> masks_;
  std::map<std::string, Statistics> statistics_;
  bool batch_ = false;
};

}  // namespace jetcal::models
