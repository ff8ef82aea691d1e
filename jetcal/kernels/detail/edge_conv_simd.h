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

/// How many vectors a loop over rows takes side by side.
template <int kCount>
struct Width {
  static constexpr int kVectors = kCount;
};

/// Calls body(column, width) for two vectors of a row at a time and for the last one: sums over
/// rows wait for their own latency, and an edge's neighbor is looked up once for both.
template <typename Body>
void for_vector_pairs(std::int64_t stride, Body body) {
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= stride; c += 2 * kLanes) body(c, Width<2>{});
  if (c < stride) body(c, Width<1>{});
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

/// Calls body(begin, end) for groups of particles with at most `max_rows` edges, or one particle.
template <typename Body>
void for_groups(const EdgeRange& edges, std::int64_t max_rows, Body body) {
  for (std::int64_t begin = edges.begin; begin < edges.end;) {
    std::int64_t end = begin + 1;
    while (end < edges.end && edges.offsets[end + 1] - edges.offsets[begin] <= max_rows) ++end;
    body(begin, end);
    begin = end;
  }
}

/// Reads one column of the values of one particle's edges, from rows.
struct RowColumn {
  const float* first;
  std::int64_t stride;
  Lanes at(std::int64_t r, int v) const { return load(first + r * stride + v * kLanes); }
  void fetch_ahead(std::int64_t r) const { prefetch(first + (r + kAhead) * stride); }
};
struct RowSource {
  const EdgeRange& edges;
  const float* rows;
  std::int64_t stride;
  RowColumn column(std::int64_t i, std::int64_t c) const {
    return {rows + (edges.offsets[i] - edges.offsets[edges.begin]) * stride + c, stride};
  }
};

/// The same from nodes.
struct NodeColumn {
  Lanes center[2];
  const float* neighbors;
  const std::int32_t* targets;
  std::int64_t node_stride;
  Lanes at(std::int64_t r, int v) const {
    return add(center[v], load(neighbors + targets[r] * node_stride + v * kLanes));
  }
  void fetch_ahead(std::int64_t) const {}
};
struct NodeSource {
  const EdgeRange& edges;
  const float* nodes;
  std::int64_t stride;
  NodeColumn column(std::int64_t i, std::int64_t c) const {
    const float* const center = nodes + i * 2 * stride + c;
    // A single last vector is followed by the neighbor's part: the second load stays in the row.
    return {{load(center), load(center + kLanes)},
            nodes + stride + c,
            edges.targets + edges.offsets[i],
            2 * stride};
  }
};

inline std::int64_t count_of(const EdgeRange& edges, std::int64_t i) {
  return edges.offsets[i + 1] - edges.offsets[i];
}

/// Calls run(source) with where the values are.
template <typename Run>
void with_source(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride, Run run) {
  if (z.rows != nullptr) {
    run(RowSource{edges, z.rows, stride});
  } else {
    run(NodeSource{edges, z.nodes, stride});
  }
}

inline void edge_moments(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
                         const float* shift, double* sum, double* squares) {
  with_source(edges, z, stride, [=, &edges](const auto& source) {
    for_groups(edges, kFloatRows, [=, &edges](std::int64_t begin, std::int64_t end) {
      for_vector_pairs(stride, [=, &edges](std::int64_t c, auto width) {
        constexpr int kVectors = width.kVectors;
        Lanes origin[kVectors], total[kVectors], square[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          origin[v] = load(shift + c + v * kLanes);
          total[v] = square[v] = zero();
        }
        for (std::int64_t i = begin; i < end; ++i) {
          const auto column = source.column(i, c);
          const std::int64_t count = count_of(edges, i);
          for (std::int64_t r = 0; r < count; ++r) {
            for (int v = 0; v < kVectors; ++v) {
              const Lanes shifted = subtract(column.at(r, v), origin[v]);
              total[v] = add(total[v], shifted);
              square[v] = fma(shifted, shifted, square[v]);
            }
          }
        }
        for (int v = 0; v < kVectors; ++v) {
          add_to(sum + c + v * kLanes, total[v]);
          add_to(squares + c + v * kLanes, square[v]);
        }
      });
    });
  });
}

inline void edge_activate(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
                          const NormColumns& norm, float* a) {
  with_source(edges, z, stride, [=, &edges, &norm](const auto& source) {
    for (std::int64_t i = edges.begin; i < edges.end; ++i) {
      const std::int64_t count = count_of(edges, i);
      float* const own = a + (edges.offsets[i] - edges.offsets[edges.begin]) * stride;
      for_vector_pairs(stride, [=, &norm](std::int64_t c, auto width) {
        constexpr int kVectors = width.kVectors;
        NormLanes lanes[kVectors];
        for (int v = 0; v < kVectors; ++v) lanes[v] = load_norm(norm, c + v * kLanes);
        const auto column = source.column(i, c);
        for (std::int64_t r = 0; r < count; ++r) {
          column.fetch_ahead(r);
          for (int v = 0; v < kVectors; ++v) {
            store(own + r * stride + c + v * kLanes, activated(lanes[v], column.at(r, v)));
          }
        }
      });
    }
  });
}

inline void edge_pool(const EdgeRange& edges, const EdgeValues& z, std::int64_t stride,
                      const NormColumns& norm, float* mean, float* passed, float* weighted) {
  with_source(edges, z, stride, [=, &edges, &norm](const auto& source) {
    const Lanes one = broadcast(1.0F);
    for (std::int64_t i = edges.begin; i < edges.end; ++i) {
      const std::int64_t count = count_of(edges, i);
      const Lanes divisor = broadcast(static_cast<float>(count > 0 ? count : 1));
      const std::int64_t row = (i - edges.begin) * stride;
      for_vector_pairs(stride, [=, &norm](std::int64_t c, auto width) {
        constexpr int kVectors = width.kVectors;
        NormLanes lanes[kVectors];
        Lanes total[kVectors], above[kVectors], centered[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          lanes[v] = load_norm(norm, c + v * kLanes);
          total[v] = above[v] = centered[v] = zero();
        }
        const auto column = source.column(i, c);
        for (std::int64_t r = 0; r < count; ++r) {
          column.fetch_ahead(r);
          for (int v = 0; v < kVectors; ++v) {
            const Lanes own = column.at(r, v);
            const Lanes value = activated(lanes[v], own);
            total[v] = add(total[v], value);
            above[v] = add(above[v], relu_gradient(value, one));
            centered[v] = add(centered[v], relu_gradient(value, subtract(own, lanes[v].mean)));
          }
        }
        for (int v = 0; v < kVectors; ++v) {
          const std::int64_t at = row + c + v * kLanes;
          store(mean + at, divide(total[v], divisor));
          store(passed + at, above[v]);
          store(weighted + at, centered[v]);
        }
      });
    }
  });
}

inline void edge_pool_backward(const EdgeRange& edges, const float* z, std::int64_t stride,
                               const NormColumns& norm, const NormGradient& gradient,
                               const float* grad_mean, float* grad_z) {
  const RowSource source{edges, z, stride};
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const std::int64_t count = count_of(edges, i);
    float* const to = grad_z + (edges.offsets[i] - edges.offsets[edges.begin]) * stride;
    for_vectors(stride, [=, &edges, &norm, &gradient, &source](std::int64_t c) {
      const NormLanes lanes = load_norm(norm, c);
      const GradientLanes back = load_gradient(gradient, c);
      const Lanes grad = load(grad_mean + (i - edges.begin) * stride + c);
      const RowColumn column = source.column(i, c);
      for (std::int64_t r = 0; r < count; ++r) {
        column.fetch_ahead(r);
        const Lanes own = column.at(r, 0);
        const Lanes passed = relu_gradient(activated(lanes, own), grad);
        store(to + r * stride + c, through_norm(back, own, passed));
      }
    });
  }
}

inline void edge_pool_scatter(const EdgeRange& edges, const float* nodes, std::int64_t stride,
                              const NormColumns& norm, const NormGradient& gradient,
                              const float* grad_mean, float* grad_nodes) {
  const NodeSource source{edges, nodes, stride};
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const std::int64_t count = count_of(edges, i);
    for_vectors(stride, [=, &edges, &norm, &gradient, &source](std::int64_t c) {
      const NormLanes lanes = load_norm(norm, c);
      const GradientLanes back = load_gradient(gradient, c);
      const Lanes grad = load(grad_mean + (i - edges.begin) * stride + c);
      const NodeColumn column = source.column(i, c);
      float* const grad_neighbors = grad_nodes + stride + c;
      Lanes total = zero();
      for (std::int64_t r = 0; r < count; ++r) {
        const Lanes own = column.at(r, 0);
        const Lanes passed = relu_gradient(activated(lanes, own), grad);
        const Lanes grad_z = through_norm(back, own, passed);
        total = add(total, grad_z);
        float* const neighbor = grad_neighbors + column.targets[r] * 2 * stride;
        store(neighbor, add(load(neighbor), grad_z));
      }
      float* const center = grad_nodes + i * 2 * stride + c;
      store(center, add(load(center), total));
    });
  }
}

inline void edge_mask(const EdgeRange& edges, const EdgeValues& z, const float* a,
                      std::int64_t stride, const float* mean, float* grad, double* sum,
                      double* weighted) {
  with_source(edges, z, stride, [=, &edges](const auto& source) {
    for_groups(edges, kFloatRows, [=, &edges](std::int64_t begin, std::int64_t end) {
      for_vector_pairs(stride, [=, &edges](std::int64_t c, auto width) {
        constexpr int kVectors = width.kVectors;
        Lanes origin[kVectors], total[kVectors], with_z[kVectors];
        for (int v = 0; v < kVectors; ++v) {
          origin[v] = load(mean + c + v * kLanes);
          total[v] = with_z[v] = zero();
        }
        std::int64_t row = (edges.offsets[begin] - edges.offsets[edges.begin]) * stride + c;
        for (std::int64_t i = begin; i < end; ++i) {
          const auto column = source.column(i, c);
          const std::int64_t count = count_of(edges, i);
          for (std::int64_t r = 0; r < count; ++r, row += stride) {
            for (int v = 0; v < kVectors; ++v) {
              const std::int64_t at = row + v * kLanes;
              const Lanes own = relu_gradient(load(a + at), load(grad + at));
              store(grad + at, own);
              total[v] = add(total[v], own);
              with_z[v] = fma(own, subtract(column.at(r, v), origin[v]), with_z[v]);
            }
          }
        }
        for (int v = 0; v < kVectors; ++v) {
          add_to(sum + c + v * kLanes, total[v]);
          add_to(weighted + c + v * kLanes, with_z[v]);
        }
      });
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

inline void edge_scatter(const EdgeRange& edges, const float* grad, const float* nodes,
                         std::int64_t stride, const float* mean, float* grad_nodes,
                         float* z_nodes) {
  const NodeSource source{edges, nodes, stride};
  for (std::int64_t i = edges.begin; i < edges.end; ++i) {
    const std::int64_t count = count_of(edges, i);
    const float* const own = grad + (edges.offsets[i] - edges.offsets[edges.begin]) * stride;
    for_vectors(stride, [=, &source](std::int64_t c) {
      NodeColumn column = source.column(i, c);
      column.center[0] = subtract(column.center[0], load(mean + c));
      Lanes grad_total = zero();
      Lanes z_total = zero();
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t neighbor = column.targets[r] * 2 * stride + stride + c;
        const Lanes grad_e = load(own + r * stride + c);
        const Lanes z_e = column.at(r, 0);
        grad_total = add(grad_total, grad_e);
        z_total = add(z_total, z_e);
        store(grad_nodes + neighbor, add(load(grad_nodes + neighbor), grad_e));
        store(z_nodes + neighbor, add(load(z_nodes + neighbor), z_e));
      }
      const std::int64_t center = i * 2 * stride + c;
      store(grad_nodes + center, add(load(grad_nodes + center), grad_total));
      store(z_nodes + center, add(load(z_nodes + center), z_total));
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
    edge_moments, edge_activate,      edge_pool,    edge_pool_backward, edge_pool_scatter,
    edge_mask,    edge_norm_backward, edge_scatter, edge_products,      edge_node_backward};

}  // namespace
}  // namespace jetcal::kernels::detail
