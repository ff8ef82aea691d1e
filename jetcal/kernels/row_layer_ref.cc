// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/detail/row_layer_kernels.h"

namespace jetcal::kernels::detail {
namespace {

// Products are summed in double; sums over segments are in float, row by row, as everywhere: a
// segment's bits must not depend on where its rows were cut.
void product(const RowProduct& product) {
  for (std::int64_t vector = 0; vector < product.vectors;) {
    const std::int64_t width = panel_vectors(product.vectors - vector);
    const float* panel = product.packed + vector * product.in;
    for (std::int64_t row = 0; row < product.rows; ++row) {
      for (std::int64_t c = 0; c < width; ++c) {
        double total = product.end.bias[vector + c];
        for (std::int64_t k = 0; k < product.in; ++k) {
          total +=
              static_cast<double>(product.x[row * product.x_stride + k]) * panel[k * width + c];
        }
        if ((product.end.relu || product.end.segments != nullptr) && total < 0) total = 0;
        if (product.end.segments != nullptr) {
          product.end.y[product.end.segments[row] * product.end.y_stride + vector + c] +=
              static_cast<float>(total);
        } else {
          product.end.y[row * product.end.y_stride + vector + c] = static_cast<float>(total);
        }
      }
    }
    vector += width;
  }
}

float edge_value(const EdgeRows& edges, std::int64_t e, std::int64_t c) {
  const float value = edges.center[edges.sources[e] * edges.stride + c] +
                      edges.neighbor[edges.targets[e] * edges.stride + c];
  return value < 0 ? 0 : value;
}

void gather(const EdgeRows& edges) {
  for (std::int64_t e = 0; e < edges.edges; ++e) {
    for (std::int64_t c = 0; c < edges.vectors; ++c) {
      edges.z[e * edges.z_stride + c] = edge_value(edges, e, c);
    }
  }
}

void sum(const EdgeRows& edges) {
  for (std::int64_t e = 0; e < edges.edges; ++e) {
    for (std::int64_t c = 0; c < edges.vectors; ++c) {
      edges.z[edges.sources[e] * edges.z_stride + c] += edge_value(edges, e, c);
    }
  }
}

void finish(const BlockEnd& end) {
  for (std::int64_t i = 0; i < end.rows; ++i) {
    const float count = end.counts[i] > 0 ? static_cast<float>(end.counts[i]) : 1.0F;
    for (std::int64_t c = 0; c < end.vectors; ++c) {
      float& y = end.y[i * end.y_stride + c];
      const float value = y / count + end.shortcut[i * end.shortcut_stride + c];
      y = value < 0 ? 0 : value;
    }
  }
}

}  // namespace

const RowLayerKernels kRowLayerRef{1, product, gather, sum, finish};

}  // namespace jetcal::kernels::detail
