// SPDX-License-Identifier: Apache-2.0
#include "jetcal/kernels/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/kernels/detail/attention_table.h"
#include "jetcal/kernels/detail/packed_product.h"

namespace jetcal::kernels {
namespace {

struct Variant {
  const detail::AttentionKernels& attention;
  const detail::GemmKernels& gemm;
};

Variant variant() {
  const Isa isa = kernel_isa();
  return {detail::attention_kernels(isa), detail::gemm_kernels(isa)};
}

// Cuts the jets into chunks of about the same number of pairs; follows from the jets alone.
std::vector<std::int64_t> cut_chunks(const PairQuantities& pairs) {
  constexpr std::int64_t kMinPairs = 4096;
  constexpr std::int64_t kMaxChunks = 64;
  constexpr std::int64_t kOverhead = 16;  // rows of q, k and v cost as much as this many pairs
  const auto cost = [&pairs](std::int64_t jet) {
    return pairs.size(jet) * (pairs.size(jet) + kOverhead);
  };
  std::int64_t total = 0;
  for (std::int64_t jet = 0; jet < pairs.num_jets(); ++jet) total += cost(jet);
  const std::int64_t enough = std::max(kMinPairs, total / kMaxChunks);
  std::vector<std::int64_t> chunks{0};
  std::int64_t sum = 0;
  for (std::int64_t jet = 0; jet < pairs.num_jets(); ++jet) {
    sum += cost(jet);
    if (sum < enough && jet + 1 < pairs.num_jets()) continue;
    chunks.push_back(jet + 1);
    sum = 0;
  }
  return chunks;
}

void copy_rows(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns,
               float* to, std::int64_t to_stride) {
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(from + row * from_stride, columns, to + row * to_stride);
  }
}

// Works on one head of one jet after the other, with room for the largest so far.
class HeadWorker {
 public:
  HeadWorker(const AttentionShape& shape, const PairQuantities& pairs, StridedRows<const float> qkv,
             std::span<const float> pair_weight)
      : shape_(shape),
        pairs_(pairs),
        qkv_(qkv),
        pair_weight_(pair_weight),
        units_((shape.units + variant_.gemm.vector_columns - 1) / variant_.gemm.vector_columns *
               variant_.gemm.vector_columns) {}

  void forward(std::int64_t jet, std::int64_t head, StridedRows<float> y) {
    start(jet, head);
    float* const p = room_for(probabilities_, n_ * stride_);
    make_probabilities(p);
    float* const v = pack(/*transpose=*/false, value(), qkv_.stride);
    multiply_units(p, v, y.data + place(y.stride), y.stride);
  }

  // Adds the gradient of the four pair weights to sums.
  void backward(std::int64_t jet, std::int64_t head, StridedRows<const float> grad_y,
                StridedRows<float> grad_qkv, std::array<double, kPairQuantities>& sums) {
    start(jet, head);
    float* const p = room_for(probabilities_, n_ * stride_);
    make_probabilities(p);
    const float* const own_grad_y = grad_y.data + place(grad_y.stride);
    float* const grad = grad_qkv.data + place(grad_qkv.stride);
    float* const scores = room_for(grad_scores_, n_ * stride_);
    multiply_rows(own_grad_y, grad_y.stride, pack(/*transpose=*/true, value(), qkv_.stride),
                  scores);
    add_transposed(p, own_grad_y, grad_y.stride, grad + 2 * shape_.width(), grad_qkv.stride);

    std::array<double, kPairQuantities> bias_sums{};
    variant_.attention.softmax_gradient(score_rows(), {p, scores, bias_sums.data()});
    const auto [distance, smaller, share, neighbor] = bias_sums;
    sums[0] += distance;
    sums[1] += distance + smaller;
    sums[2] += share;
    sums[3] += 2 * distance + neighbor;

    multiply_units(scores, pack(/*transpose=*/false, key(), qkv_.stride), grad, grad_qkv.stride);
    add_transposed(scores, query(), qkv_.stride, grad + shape_.width(), grad_qkv.stride);
  }

 private:
  void start(std::int64_t jet, std::int64_t head) {
    jet_ = jet;
    head_ = head;
    n_ = pairs_.size(jet);
    stride_ = pairs_.stride(jet);
  }
  // Where the head's columns of the jet's first row start.
  std::int64_t place(std::int64_t stride) const {
    return pairs_.first_particle(jet_) * stride + head_ * shape_.units;
  }
  const float* query() const { return qkv_.data + place(qkv_.stride); }
  const float* key() const { return query() + shape_.width(); }
  const float* value() const { return key() + shape_.width(); }

  // ln kT = smaller + ln dR and ln m^2 = ln pT_i + ln pT_j + 2 ln dR share ln dR.
  detail::ScoreRows score_rows() const {
    const float* w = pair_weight_.data() + head_ * kPairQuantities;
    return {n_,
            stride_,
            1 / std::sqrt(static_cast<float>(shape_.units)),
            {w[0] + w[1] + 2 * w[3], w[1], w[2], w[3]},
            pairs_.log_pt(jet_),
            pairs_.log_distance(jet_),
            pairs_.log_share(jet_)};
  }

  void make_probabilities(float* p) {
    multiply_rows(query(), qkv_.stride, pack(/*transpose=*/true, key(), qkv_.stride), p);
    variant_.attention.softmax(score_rows(), p);
  }

  // Packs a head's rows [n, units], or their transpose, as right-hand side of a product.
  float* pack(bool transpose, const float* rows, std::int64_t stride) {
    const std::int64_t k = transpose ? shape_.units : n_;
    const std::int64_t columns = transpose ? n_ : shape_.units;
    float* const packed = room_for(packed_, detail::packed_size(variant_.gemm, k, columns));
    detail::pack_tile_b(variant_.gemm, transpose, k, columns, rows, stride, packed);
    return packed;
  }

  // scores [n, stride] = a [n, units] b [units, n].
  void multiply_rows(const float* a, std::int64_t a_stride, const float* b, float* scores) {
    variant_.gemm.tile_product({n_, n_, shape_.units, a, a_stride, b, scores, stride_});
  }

  // y [n, units] = a [n, n] b [n, units]. Products write whole vectors: where rows of y lack room
  // for them, they go by way of other rows.
  void multiply_units(const float* a, const float* b, float* y, std::int64_t y_stride) {
    const bool whole = shape_.units == units_;
    float* const c = whole ? y : room_for(rows_, n_ * units_);
    const std::int64_t c_stride = whole ? y_stride : units_;
    variant_.gemm.tile_product({n_, shape_.units, n_, a, stride_, b, c, c_stride});
    if (!whole) copy_rows(c, c_stride, n_, shape_.units, y, y_stride);
  }

  // y [n, units] = a^T b for a [n, n], b [n, units].
  void add_transposed(const float* a, const float* b, std::int64_t b_stride, float* y,
                      std::int64_t y_stride) {
    const bool whole = shape_.units == units_;
    const float* right = b;
    if (!whole) {
      rows_b_.assign(static_cast<std::size_t>(n_ * units_), 0.0F);
      copy_rows(b, b_stride, n_, shape_.units, rows_b_.data(), units_);
      right = rows_b_.data();
      b_stride = units_;
    }
    float* const c = room_for(rows_, n_ * units_);
    std::fill_n(c, n_ * units_, 0.0F);
    variant_.gemm.tile_gradient({n_, n_, shape_.units, a, stride_, right, b_stride, c, units_});
    copy_rows(c, units_, n_, shape_.units, y, y_stride);
  }

  const Variant variant_ = variant();
  const AttentionShape& shape_;
  const PairQuantities& pairs_;
  StridedRows<const float> qkv_;
  std::span<const float> pair_weight_;
  std::int64_t units_;  // in whole vectors
  std::int64_t jet_ = 0, head_ = 0, n_ = 0, stride_ = 0;
  AlignedRows<float> packed_, probabilities_, grad_scores_, rows_, rows_b_;
};

}  // namespace

void attention_forward(const AttentionShape& shape, const PairQuantities& pairs,
                       StridedRows<const float> qkv, std::span<const float> pair_weight,
                       StridedRows<float> y) {
  JETCAL_DCHECK(qkv.stride >= 3 * shape.width() && y.stride >= shape.width());
  JETCAL_DCHECK(std::ssize(pair_weight) == shape.heads * kPairQuantities);
  const std::vector<std::int64_t> chunks = cut_chunks(pairs);
  parallel_for(std::ssize(chunks) - 1, 1, [&](std::int64_t begin, std::int64_t end) {
    HeadWorker worker(shape, pairs, qkv, pair_weight);
    for (std::int64_t jet = chunks[begin]; jet < chunks[end]; ++jet) {
      if (pairs.size(jet) == 0) continue;
      for (std::int64_t head = 0; head < shape.heads; ++head) worker.forward(jet, head, y);
    }
  });
}

void attention_backward(const AttentionShape& shape, const PairQuantities& pairs,
                        StridedRows<const float> qkv, std::span<const float> pair_weight,
                        StridedRows<const float> grad_y, StridedRows<float> grad_qkv,
                        std::span<float> grad_pair_weight) {
  JETCAL_DCHECK(qkv.stride >= 3 * shape.width() && grad_y.stride >= shape.width());
  JETCAL_DCHECK(grad_qkv.stride >= 3 * shape.width());
  JETCAL_DCHECK(std::ssize(grad_pair_weight) == shape.heads * kPairQuantities);
  using Sums = std::array<double, kPairQuantities>;
  const std::vector<std::int64_t> chunks = cut_chunks(pairs);
  const std::int64_t num_chunks = std::ssize(chunks) - 1;
  std::vector<Sums> parts(static_cast<std::size_t>(num_chunks * shape.heads));
  parallel_for(num_chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    HeadWorker worker(shape, pairs, qkv, pair_weight);
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      for (std::int64_t jet = chunks[chunk]; jet < chunks[chunk + 1]; ++jet) {
        if (pairs.size(jet) == 0) continue;
        for (std::int64_t head = 0; head < shape.heads; ++head) {
          worker.backward(jet, head, grad_y, grad_qkv, parts[chunk * shape.heads + head]);
        }
      }
    }
  });
  for (std::int64_t head = 0; head < shape.heads; ++head) {
    for (std::int64_t q = 0; q < kPairQuantities; ++q) {
      double sum = 0;
      for (std::int64_t chunk = 0; chunk < num_chunks; ++chunk) {
        sum += parts[chunk * shape.heads + head][q];
      }
      grad_pair_weight[head * kPairQuantities + q] = static_cast<float>(sum);
    }
  }
}

}  // namespace jetcal::kernels
