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

void gather(const EdgeRange& edges, const float* nodes, std::int64_t stride, float* z) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e, z += stride) {
      const float* neighbor = nodes + edges.targets[e] * 2 * stride + stride;
      for (std::int64_t c = 0; c < stride; ++c) z[c] = nodes[i * 2 * stride + c] + neighbor[c];
    }
  }
}

void moments(const float* z, std::int64_t rows, std::int64_t stride, const float* shift,
             double* sum, double* squares) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < stride; ++c) {
      const double shifted = static_cast<double>(z[r * stride + c]) - shift[c];
      sum[c] += shifted;
      squares[c] += shifted * shifted;
    }
  }
}

void activate(const float* z, std::int64_t rows, std::int64_t stride, const NormColumns& norm,
              float* a) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < stride; ++c) {
      a[r * stride + c] = activated(norm, c, z[r * stride + c]);
    }
  }
}

void pool(const EdgeRange& edges, const float* z, std::int64_t stride, const NormColumns& norm,
          float* mean, float* passed, float* weighted) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const std::int64_t first = edges.offsets[i] - edges.offsets[edges.begin];
    const std::int64_t last = edges.offsets[i + 1] - edges.offsets[edges.begin];
    for (std::int64_t c = 0; c < stride; ++c) {
      double total = 0;
      double above = 0;
      double centered = 0;
      for (std::int64_t r = first; r < last; ++r) {
        const float row = z[r * stride + c];
        const float value = activated(norm, c, row);
        total += value;
        if (value <= 0) continue;
        above += 1;
        centered += static_cast<double>(row) - norm.mean[c];
      }
      const double divisor = last > first ? static_cast<double>(last - first) : 1;
      const std::int64_t at = (i - edges.begin) * stride + c;
      mean[at] = static_cast<float>(total / divisor);
      passed[at] = static_cast<float>(above);
      weighted[at] = static_cast<float>(centered);
    }
  }
}

void pool_backward(const EdgeRange& edges, const float* z, std::int64_t stride,
                   const NormColumns& norm, const NormGradient& gradient, const float* grad_mean,
                   float* grad_z) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e) {
      const std::int64_t row = (e - edges.offsets[edges.begin]) * stride;
      for (std::int64_t c = 0; c < stride; ++c) {
        const bool passes = !(activated(norm, c, z[row + c]) <= 0);
        grad_z[row + c] = through_norm(gradient, c, z[row + c],
                                       passes ? grad_mean[(i - edges.begin) * stride + c] : 0.0F);
      }
    }
  }
}

void mask(const float* a, const float* z, std::int64_t rows, std::int64_t stride, const float* mean,
          float* grad, double* sum, double* weighted) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < stride; ++c) {
      const std::int64_t at = r * stride + c;
      if (a[at] <= 0) grad[at] = 0;
      sum[c] += grad[at];
      weighted[c] += grad[at] * (static_cast<double>(z[at]) - mean[c]);
    }
  }
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

void scatter(const EdgeRange& edges, const float* x, const float* shift, std::int64_t stride,
             float* nodes) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e, x += stride) {
      float* const neighbor = nodes + edges.targets[e] * 2 * stride + stride;
      for (std::int64_t c = 0; c < stride; ++c) {
        nodes[i * 2 * stride + c] += x[c] - shift[c];
        neighbor[c] += x[c] - shift[c];
      }
    }
  }
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

const EdgeConvKernels kEdgeConvRef{gather, moments,       activate, pool,     pool_backward,
                                   mask,   norm_backward, scatter,  products, node_backward};

}  // namespace jetcal::kernels::detail
