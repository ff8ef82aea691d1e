// SPDX-License-Identifier: Apache-2.0
// Trains the edge function of an EdgeConv block: batch norm, further layers and the mean over
// neighbours, fused over tiles of edges that stay in cache.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "jetcal/kernels/aligned_rows.h"
#include "jetcal/kernels/batch_norm.h"
#include "jetcal/kernels/edge.h"

namespace jetcal::kernels {

/// Names the weights of one edge layer.
struct EdgeConvLayer {
  std::span<const float> weight;        ///< [C, C]; empty for the first layer (made per particle).
  std::span<const float> scale, shift;  ///< Of batch norm, [C].
  std::span<float> running_mean, running_variance;  ///< [C], or both empty.
};

/// Names where the gradients of one edge layer go; sizes as in EdgeConvLayer.
struct EdgeConvGradient {
  std::span<float> weight, scale, shift;
};

/// Holds work space that several objects may share, one after the other; it is kept between
/// batches, because fresh pages cost as much as a pass over them.
struct EdgeConvWorkspace {
  AlignedRows<float> weight_parts;            ///< [chunks, C, stride]
  AlignedRows<float> grad_mean, node_values;  ///< [P, stride], [P, 2 stride]
  std::vector<AlignedRows<float>> tiles;      ///< Of every thread, at its first chunk.
};

/// Computes y_i = mean over the edges from i to j of f(z_ij), z_ij = center_i + neighbor_j, where f
/// is relu(batch norm) and then, for every further layer, relu(batch norm(W a)). Batch statistics
/// run over all edges. (ParticleNet's edge function after its first product W [x_i, x_j - x_i] =
/// (W1 - W2) x_i + W2 x_j is made once per particle: Qu and Gouskos, 1902.08570, with the product
/// factored.)
///
/// Nodes are rows [P, 2 stride]: the center's part in the first C columns, the neighbor's in the
/// first C after `stride`; the other columns hold zeros. Edges must stay within their jet.
///
/// Between forward and backward it keeps the values before batch norm of every layer but the
/// first, [E, stride] each; everything else is computed again. Sums run over fixed chunks of jets:
/// the same bits with any number of threads. Uses parallel_for; one object serves one thread at a
/// time. Valid for the variant in use when it was made.
class EdgeConv {
 public:
  EdgeConv(std::int64_t channels, std::int64_t num_layers);

  /// Returns the row stride of both parts of a node: `channels` rounded up to whole vectors.
  std::int64_t stride() const noexcept { return stride_; }

  /// Shapes: nodes [P, 2 stride], offsets [J + 1] (particles of every jet), y [P, C]. A particle
  /// without edges gets zeros. `options.activation` is not read; `options.shared` must live until
  /// backward, whose gradients are those of the edges given here.
  void forward(std::span<const float> nodes, const Edges& edges,
               std::span<const std::int64_t> offsets, std::span<const EdgeConvLayer> layers,
               const BatchNormOptions& options, std::span<float> y, EdgeConvWorkspace& workspace);

  /// Computes the gradients of the last forward, overwriting, from grad_y [P, C]. Takes the same
  /// nodes, edges and layers. Once per forward: gradients take the place of what it kept.
  void backward(std::span<const float> nodes, const Edges& edges,
                std::span<const EdgeConvLayer> layers, std::span<const float> grad_y,
                std::span<float> grad_nodes, std::span<const EdgeConvGradient> gradients,
                EdgeConvWorkspace& workspace);

 private:
  struct Norm {
    std::vector<float> mean, inverse_deviation, scale, beta;  // [stride]
    std::vector<float> offset, slope;                         // [stride], backward only
  };
  struct Pass;

  std::int64_t channels_, stride_;
  SharedSums* shared_ = nullptr;  // of the last forward
  std::int64_t all_edges_ = 0;    // of the last forward, over all workers
  std::vector<Norm> norms_;
  std::vector<AlignedRows<float>> values_;  // of layer l >= 1, [E, stride]
  std::vector<std::int64_t> chunks_;        // first particle of every chunk of jets, and P
  std::vector<float> passed_, weighted_;    // [P, stride], of the last layer
};

}  // namespace jetcal::kernels
