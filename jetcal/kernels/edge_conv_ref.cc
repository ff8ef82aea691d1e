// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/edge_conv_kernels.h"

namespace jetcal::kernels::detail {
namespace {

float activated(const NormColumns& norm, std::int64_t c, float z) {
  const double value = (static_cast<double>(z) - norm.mean[c]) * norm.scale[c] + norm.beta[c];
  return value < 0 ? 0 : static_cast<float>(value);
}

float through_norm(const NormGradient& gradient, std::int64_t c, float z, double grad) {
  const double centered = static_cast<double>(z) - gradient.mean[c];
  return static_cast<float>(gradient.scale[c] * grad - gradient.offset[c] -
                            gradient.slope[c] * centered);
}

// Calls body(i, row of the tile, row of the neighbor's node) for every edge.
template <typename Body>
void for_edges(const EdgeRange& edges, Body body) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e) {
      body(i, e - edges.offsets[edges.begin], edges.targets[e]);
    }
  }
}

float node_value(const float* nodes, std::int64_t stride, std::int64_t i, std::int64_t j,
                 std::int64_t c) {
  return nodes[i * 2 * stride + c] + nodes[(2 * j + 1) * stride + c];
}

// Calls body(i, row, c, z) for every value.
template <typename Body>
void for_values(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride, Body body) {
  for_edges(edges, [&](std::int64_t i, std::int64_t row, std::int64_t j) {
    for (std::int64_t c = 0; c < stride; ++c) {
      body(i, row, c,
           z.rows != nullptr ? z.rows[row * stride + c] : node_value(z.nodes, stride, i, j, c));
    }
  });
}

void moments(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride, const float* shift,
             double* sum, double* squares) {
  for_values(edges, z, stride, [=](std::int64_t, std::int64_t, std::int64_t c, float value) {
    const double shifted = static_cast<double>(value) - shift[c];
    sum[c] += shifted;
    squares[c] += shifted * shifted;
  });
}

void activate(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
              const NormColumns& norm, float* a) {
  for_values(edges, z, stride, [=](std::int64_t, std::int64_t row, std::int64_t c, float value) {
    a[row * stride + c] = activated(norm, c, value);
  });
}

void pool(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride, const NormColumns& norm,
          float* mean, float* passed, float* weighted) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const EdgeRange own{edges.offsets, edges.targets, i, i + 1};
    const std::int64_t skipped = edges.offsets[i] - edges.offsets[edges.begin];
    const EdgeValues own_z{z.rows != nullptr ? z.rows + skipped * stride : nullptr, z.nodes};
    const std::int64_t count = edges.offsets[i + 1] - edges.offsets[i];
    for (std::int64_t c = 0; c < stride; ++c) {
      double total = 0;
      double above = 0;
      double centered = 0;
      for_values(own, own_z, stride,
                 [&](std::int64_t, std::int64_t, std::int64_t column, float row) {
                   if (column != c) return;
                   const float value = activated(norm, c, row);
                   total += value;
                   if (value <= 0) return;
                   above += 1;
                   centered += static_cast<double>(row) - norm.mean[c];
                 });
      const std::int64_t at = (i - edges.begin) * stride + c;
      mean[at] = static_cast<float>(total / static_cast<double>(count > 0 ? count : 1));
      passed[at] = static_cast<float>(above);
      weighted[at] = static_cast<float>(centered);
    }
  }
}

float pooled_gradient(const NormColumns& norm, const NormGradient& gradient, std::int64_t c,
                      float z, float grad_mean) {
  const bool passes = !(activated(norm, c, z) <= 0);
  return through_norm(gradient, c, z, passes ? grad_mean : 0.0F);
}

void pool_backward(const EdgeRange& edges, const float* z, std::int64_t stride,
                   const NormColumns& norm, const NormGradient& gradient, const float* grad_mean,
                   float* grad_z) {
  for_values(edges, {z, nullptr}, stride,
             [=](std::int64_t i, std::int64_t row, std::int64_t c, float value) {
               grad_z[row * stride + c] = pooled_gradient(
                   norm, gradient, c, value, grad_mean[(i - edges.begin) * stride + c]);
             });
}

void pool_scatter(const EdgeRange& edges, const float* nodes, std::int64_t stride,
                  const NormColumns& norm, const NormGradient& gradient, const float* grad_mean,
                  float* grad_nodes) {
  for_edges(edges, [=](std::int64_t i, std::int64_t, std::int64_t j) {
    for (std::int64_t c = 0; c < stride; ++c) {
      const float grad = pooled_gradient(norm, gradient, c, node_value(nodes, stride, i, j, c),
                                         grad_mean[(i - edges.begin) * stride + c]);
      grad_nodes[i * 2 * stride + c] += grad;
      grad_nodes[(2 * j + 1) * stride + c] += grad;
    }
  });
}

void mask(const EdgeRange& edges, const EdgeValues& z, const float* a, std::int64_t stride,
          const float* mean, float* grad, double* sum, double* weighted) {
  for_values(edges, z, stride, [=](std::int64_t, std::int64_t row, std::int64_t c, float value) {
    const std::int64_t at = row * stride + c;
    if (a[at] <= 0) grad[at] = 0;
    sum[c] += grad[at];
    weighted[c] += grad[at] * (static_cast<double>(value) - mean[c]);
  });
}

void norm_backward(const float* z, const float* grad, std::int64_t rows, std::int64_t stride,
                   const NormGradient& gradient, float* grad_z) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < stride; ++c) {
      const std::int64_t at = r * stride + c;
      grad_z[at] = through_norm(gradient, c, z[at], grad[at]);
    }
  }
}

void scatter(const EdgeRange& edges, const float* grad, const float* nodes, std::int64_t stride,
             const float* mean, float* grad_nodes, float* z_nodes) {
  for_edges(edges, [=](std::int64_t i, std::int64_t row, std::int64_t j) {
    for (std::int64_t c = 0; c < stride; ++c) {
      const float centered = node_value(nodes, stride, i, j, c) - mean[c];
      grad_nodes[i * 2 * stride + c] += grad[row * stride + c];
      grad_nodes[(2 * j + 1) * stride + c] += grad[row * stride + c];
      z_nodes[i * 2 * stride + c] += centered;
      z_nodes[(2 * j + 1) * stride + c] += centered;
    }
  });
}

void products(const float* a, const float* b, std::int64_t rows, std::int64_t stride, double* sum) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < stride; ++c) {
      sum[c] += static_cast<double>(a[r * stride + c]) * b[r * stride + c];
    }
  }
}

void node_backward(const float* z_nodes, const float* degree, std::int64_t particles,
                   std::int64_t stride, const NormGradient& gradient, float* nodes) {
  for (std::int64_t part = 0; part < 2 * particles; ++part) {
    for (std::int64_t c = 0; c < stride; ++c) {
      const std::int64_t at = part * stride + c;
      const double value = static_cast<double>(gradient.scale[c]) * nodes[at];
      const double fixed = static_cast<double>(degree[part]) * gradient.offset[c];
      nodes[at] =
          static_cast<float>(value - fixed - static_cast<double>(gradient.slope[c]) * z_nodes[at]);
    }
  }
}

}  // namespace

const EdgeConvKernels kEdgeConvRef{moments, activate,      pool,    pool_backward, pool_scatter,
                                   mask,    norm_backward, scatter, products,      node_backward};

}  // namespace jetcal::kernels::detail
