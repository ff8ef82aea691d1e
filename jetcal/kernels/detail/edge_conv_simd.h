// SPDX-License-Identifier: Apache-2.0
// The vector variant of the tiles of edge_conv.h, for any width.
#pragma once

#include "jetcal/kernels/detail/edge_conv_kernels.h"
#include "jetcal/kernels/detail/simd.h"

namespace jetcal::kernels::detail {
namespace {

/// Calls body(column) for every vector of a row; strides are multiples of kLanes.
template <typename Body>
void for_vectors(std::int64_t stride, Body body) {
  for (std::int64_t c = 0; c < stride; c += kLanes) body(c);
}

inline void add_to(double* p, Lanes x) {
  double all[kLanes];
  store(all, to_doubles(x));
  for (std::int64_t i = 0; i < kLanes; ++i) p[i] += all[i];
}

// Sums in float run over this many rows, then go on in double.
inline constexpr std::int64_t kFloatRows = 32;
// Rows that come from memory are taken a few at a time: whole lines, in order.
inline constexpr std::int64_t kStreamRows = 8;

// How many rows ahead of their use values are fetched from memory: some particles of 16 edges, the
// time that memory takes.
inline constexpr std::int64_t kAhead = 32;

/// Fetches a line into the cache; an address that is not mapped does no harm.
inline void prefetch(const float* p) { __builtin_prefetch(p); }

/// Calls body(first, last) for blocks of at most kRows rows.
template <std::int64_t kRows, typename Body>
void for_row_blocks(std::int64_t rows, Body body) {
  for (std::int64_t first = 0; first < rows; first += kRows) {
    body(first, first + kRows < rows ? first + kRows : rows);
  }
}

struct NormLanes {
  Lanes mean, scale, beta;
};

inline NormLanes load_norm(const NormColumns& norm, std::int64_t c) {
  return {load(norm.mean + c), load(norm.scale + c), load(norm.beta + c)};
}

// Forward and backward compute the activation by the same steps, so that they agree on its sign.
inline Lanes activated(const NormLanes& norm, Lanes z) {
  return relu(fma(subtract(z, norm.mean), norm.scale, norm.beta));
}

struct GradientLanes {
  Lanes mean, scale, minus_offset, slope;
};

inline GradientLanes load_gradient(const NormGradient& gradient, std::int64_t c) {
  return {load(gradient.mean + c), load(gradient.scale + c),
          subtract(zero(), load(gradient.offset + c)), load(gradient.slope + c)};
}

inline Lanes through_norm(const GradientLanes& gradient, Lanes z, Lanes grad) {
  const Lanes steady = fma(gradient.scale, grad, gradient.minus_offset);
  return minus_product(gradient.slope, subtract(z, gradient.mean), steady);
}

inline void gather_edges(const EdgeRange& edges, const float* nodes, std::int64_t stride,
                         float* z) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const float* center = nodes + i * 2 * stride;
    for (std::int64_t e = edges.offsets[i]; e < edges.offsets[i + 1]; ++e, z += stride) {
      const float* neighbor = nodes + edges.targets[e] * 2 * stride + stride;
      for_vectors(stride,
                  [=](std::int64_t c) { store(z + c, add(load(center + c), load(neighbor + c))); });
    }
  }
}

inline void edge_moments(const float* z, std::int64_t rows, std::int64_t stride, const float* shift,
                         double* sum, double* squares) {
  for_row_blocks<kFloatRows>(rows, [=](std::int64_t first, std::int64_t last) {
    for_vectors(stride, [=](std::int64_t c) {
      const Lanes origin = load(shift + c);
      Lanes total = zero();
      Lanes square = zero();
      for (std::int64_t r = first; r < last; ++r) {
        const Lanes shifted = subtract(load(z + r * stride + c), origin);
        total = add(total, shifted);
        square = fma(shifted, shifted, square);
      }
      add_to(sum + c, total);
      add_to(squares + c, square);
    });
  });
}

inline void edge_activate(const float* z, std::int64_t rows, std::int64_t stride,
                          const NormColumns& norm, float* a) {
  for_row_blocks<kStreamRows>(rows, [=](std::int64_t first, std::int64_t last) {
    for_vectors(stride, [=](std::int64_t c) {
      const NormLanes lanes = load_norm(norm, c);
      for (std::int64_t r = first; r < last; ++r) {
        prefetch(z + (r + kAhead) * stride + c);
        store(a + r * stride + c, activated(lanes, load(z + r * stride + c)));
      }
    });
  });
}

inline void edge_pool(const EdgeRange& edges, const float* z, std::int64_t stride,
                      const NormColumns& norm, float* mean, float* passed, float* weighted) {
  const Lanes one = broadcast(1.0F);
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const std::int64_t first = edges.offsets[i] - edges.offsets[edges.begin];
    const std::int64_t count = edges.offsets[i + 1] - edges.offsets[i];
    const Lanes divisor = broadcast(static_cast<float>(count > 0 ? count : 1));
    for_vectors(stride, [=](std::int64_t c) {
      const NormLanes lanes = load_norm(norm, c);
      Lanes total = zero();
      Lanes above = zero();
      Lanes centered_sum = zero();
      for (std::int64_t r = first; r < first + count; ++r) {
        prefetch(z + (r + kAhead) * stride + c);
        const Lanes row = load(z + r * stride + c);
        const Lanes value = activated(lanes, row);
        total = add(total, value);
        above = add(above, relu_gradient(value, one));
        centered_sum = add(centered_sum, relu_gradient(value, subtract(row, lanes.mean)));
      }
      const std::int64_t at = (i - edges.begin) * stride + c;
      store(mean + at, divide(total, divisor));
      store(passed + at, above);
      store(weighted + at, centered_sum);
    });
  }
}

inline void edge_pool_backward(const EdgeRange& edges, const float* z, std::int64_t stride,
                               const NormColumns& norm, const NormGradient& gradient,
                               const float* grad_mean, float* grad_z) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const std::int64_t first = edges.offsets[i] - edges.offsets[edges.begin];
    const std::int64_t last = edges.offsets[i + 1] - edges.offsets[edges.begin];
    for_vectors(stride, [=](std::int64_t c) {
      const NormLanes lanes = load_norm(norm, c);
      const GradientLanes back = load_gradient(gradient, c);
      const Lanes grad = load(grad_mean + (i - edges.begin) * stride + c);
      for (std::int64_t r = first; r < last; ++r) {
        prefetch(z + (r + kAhead) * stride + c);
        const Lanes row = load(z + r * stride + c);
        const Lanes own = relu_gradient(activated(lanes, row), grad);
        store(grad_z + r * stride + c, through_norm(back, row, own));
      }
    });
  }
}

inline void edge_mask(const float* a, const float* z, std::int64_t rows, std::int64_t stride,
                      const float* mean, float* grad, double* sum, double* weighted) {
  for_row_blocks<kFloatRows>(rows, [=](std::int64_t first, std::int64_t last) {
    for_vectors(stride, [=](std::int64_t c) {
      const Lanes origin = load(mean + c);
      Lanes total = zero();
      Lanes with_z = zero();
      for (std::int64_t r = first; r < last; ++r) {
        const std::int64_t at = r * stride + c;
        const Lanes own = relu_gradient(load(a + at), load(grad + at));
        store(grad + at, own);
        total = add(total, own);
        with_z = fma(own, subtract(load(z + at), origin), with_z);
      }
      add_to(sum + c, total);
      add_to(weighted + c, with_z);
    });
  });
}

inline void edge_norm_backward(const float* z, const float* grad, std::int64_t rows,
                               std::int64_t stride, const NormGradient& gradient, float* grad_z) {
  for_row_blocks<kStreamRows>(rows, [=](std::int64_t first, std::int64_t last) {
    for_vectors(stride, [=](std::int64_t c) {
      const GradientLanes back = load_gradient(gradient, c);
      for (std::int64_t r = first; r < last; ++r) {
        const std::int64_t at = r * stride + c;
        prefetch(z + at + kAhead * stride);
        prefetch(grad + at + kAhead * stride);
        store(grad_z + at, through_norm(back, load(z + at), load(grad + at)));
      }
    });
  });
}

inline void edge_scatter(const EdgeRange& edges, const float* x, const float* shift,
                         std::int64_t stride, float* nodes) {
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    float* const center = nodes + i * 2 * stride;
    const std::int64_t first = edges.offsets[i];
    const std::int64_t last = edges.offsets[i + 1];
    const float* const own = x + (first - edges.offsets[edges.begin]) * stride;
    for_vectors(stride, [=](std::int64_t c) {
      const Lanes origin = load(shift + c);
      const float* row = own + c;
      Lanes total = zero();
      for (std::int64_t e = first; e < last; ++e, row += stride) {
        const Lanes value = subtract(load(row), origin);
        total = add(total, value);
        float* const neighbor = nodes + edges.targets[e] * 2 * stride + stride + c;
        store(neighbor, add(load(neighbor), value));
      }
      store(center + c, add(load(center + c), total));
    });
  }
}

inline void edge_products(const float* a, const float* b, std::int64_t rows, std::int64_t stride,
                          double* sum) {
  for_row_blocks<kFloatRows>(rows, [=](std::int64_t first, std::int64_t last) {
    for_vectors(stride, [=](std::int64_t c) {
      Lanes total = zero();
      for (std::int64_t r = first; r < last; ++r) {
        total = fma(load(a + r * stride + c), load(b + r * stride + c), total);
      }
      add_to(sum + c, total);
    });
  });
}

inline void edge_node_backward(const float* z_nodes, const float* degree, std::int64_t particles,
                               std::int64_t stride, const NormGradient& gradient, float* nodes) {
  for_vectors(stride, [=](std::int64_t c) {
    const Lanes scale = load(gradient.scale + c);
    const Lanes offset = load(gradient.offset + c);
    const Lanes slope = load(gradient.slope + c);
    for (std::int64_t part = 0; part < 2 * particles; ++part) {
      const std::int64_t at = part * stride + c;
      Lanes value = multiply(scale, load(nodes + at));
      value = minus_product(broadcast(degree[part]), offset, value);
      store(nodes + at, minus_product(slope, load(z_nodes + at), value));
    }
  });
}

inline constexpr EdgeConvKernels kEdgeConvSimd{
    gather_edges, edge_moments,       edge_activate, edge_pool,     edge_pool_backward,
    edge_mask,    edge_norm_backward, edge_scatter,  edge_products, edge_node_backward};

}  // namespace
}  // namespace jetcal::kernels::detail
