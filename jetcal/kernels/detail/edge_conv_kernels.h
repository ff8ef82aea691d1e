// SPDX-License-Identifier: Apache-2.0
// The variants behind edge_conv.h: a tile of edges, rows `stride` floats apart.
#pragma once

#include <cstdint>

namespace jetcal::kernels::detail {

/// Names the edges of the particles [begin, end): rows offsets[begin]..offsets[end] of the batch.
/// A tile's arrays start with the first of them, those of particles with particle `begin`; nodes
/// are those of the whole batch.
struct EdgeRange {
  const std::int64_t* offsets;
  const std::int32_t* targets;
  std::int64_t begin, end;
};

/// y = relu((x - mean) scale + beta) for every column; [stride] each.
struct NormColumns {
  const float *mean, *scale, *beta;
};

/// grad_x = scale grad_y - offset - slope (x - mean) for every column; [stride] each.
struct NormGradient {
  const float *mean, *scale, *offset, *slope;
};

/// Says where a layer's values z of a tile are: in rows of their own, or, for the first layer, in
/// the nodes: z_e = center part of node i + neighbor part of node j.
struct EdgeValues {
  const float* rows;   ///< null: take the nodes
  const float* nodes;  ///< Of the whole batch.
};

/// All rows lie `stride` floats apart, a multiple of the variant's vectors; columns beyond the
/// channels hold zeros. A node row holds two such rows: the center's part, then the neighbor's.
struct EdgeConvKernels {
  /// Adds the sums over rows of z - shift and of its square.
  void (*moments)(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
                  const float* shift, double* sum, double* squares);
  /// a = relu(norm(z)).
  void (*activate)(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
                   const NormColumns& norm, float* a);
  /// Per particle: mean_i = mean of relu(norm(z)) over its edges; passed_i counts those above zero,
  /// weighted_i sums their z - mean. Zeros where a particle has no edge.
  void (*pool)(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
               const NormColumns& norm, float* mean, float* passed, float* weighted);
  /// grad_z of pool followed by the gradient of the norm, from rows of z; grad_mean is shared among
  /// the edges already (divided by their number).
  void (*pool_backward)(const EdgeRange& edges, const float* z, std::int64_t stride,
                        const NormColumns& norm, const NormGradient& gradient,
                        const float* grad_mean, float* grad_z);
  /// The same for z in nodes, added to the parts of grad_nodes that z was made of.
  void (*pool_scatter)(const EdgeRange& edges, const float* nodes, std::int64_t stride,
                       const NormColumns& norm, const NormGradient& gradient,
                       const float* grad_mean, float* grad_nodes);
  /// Zeroes grad where a is not above zero and adds its sums over rows, plain and times z - mean.
  void (*mask)(const EdgeRange& edges, const EdgeValues& z, const float* a, std::int64_t stride,
               const float* mean, float* grad, double* sum, double* weighted);
  /// grad_z of a masked gradient; grad_z may be grad.
  void (*norm_backward)(const float* z, const float* grad, std::int64_t rows, std::int64_t stride,
                        const NormGradient& gradient, float* grad_z);
  /// Adds grad_e and z_e - mean to the center part of node i and to the neighbor part of node j of
  /// grad_nodes and z_nodes; z in nodes.
  void (*scatter)(const EdgeRange& edges, const float* grad, const float* nodes,
                  std::int64_t stride, const float* mean, float* grad_nodes, float* z_nodes);
  /// Adds the sums over rows of a b.
  void (*products)(const float* a, const float* b, std::int64_t rows, std::int64_t stride,
                   double* sum);
  /// nodes = scale nodes - degree offset - slope z_nodes for both parts; degree [P, 2] of the
  /// particle as center and as neighbor.
  void (*node_backward)(const float* z_nodes, const float* degree, std::int64_t particles,
                        std::int64_t stride, const NormGradient& gradient, float* nodes);
};

extern const EdgeConvKernels kEdgeConvRef, kEdgeConvAvx2, kEdgeConvAvx512;

}  // namespace jetcal::kernels::detail
