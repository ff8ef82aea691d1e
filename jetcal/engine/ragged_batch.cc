// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/ragged_batch.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "jetcal/base/error.h"

namespace jetcal::engine {
namespace {

const TensorView* find(std::span<const TensorView> inputs, std::string_view name) noexcept {
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const TensorView& input) { return input.name == name; });
  return found == inputs.end() ? nullptr : &*found;
}

// Reads counts of either type, at any alignment.
std::int64_t count_at(const TensorView& counts, std::int64_t jet) noexcept {
  if (counts.type == DataType::Int64) {
    std::int64_t value = 0;
    std::memcpy(&value, counts.data.data() + jet * 8, 8);
    return value;
  }
  std::int32_t value = 0;
  std::memcpy(&value, counts.data.data() + jet * 4, 4);
  return value;
}

std::string got(const TensorView& input, const std::string& wanted) {
  return "unexpected shape or type for input '" + input.name + "' of a request with pf_counts. " +
         "Expected " + wanted + ", got " + std::string(data_type_name(input.type)) + " " +
         shape_text(input.shape) + " of " + std::to_string(input.data.size()) + " bytes";
}

bool is_matrix(const TensorView& input, std::int64_t rows, std::int64_t columns) noexcept {
  return input.type == DataType::Fp32 && input.shape.size() == 2 && input.shape[0] == rows &&
         input.shape[1] == columns &&
         static_cast<std::int64_t>(input.data.size() / sizeof(float)) == rows * columns &&
         input.data.size() % sizeof(float) == 0;
}

std::int64_t columns_of(std::span<const TensorSpec> padded, std::string_view name) {
  for (const TensorSpec& spec : padded) {
    if (spec.name == name) return spec.shape.at(1);
  }
  return 0;
}

std::string matrix(const std::string& rows, std::int64_t columns) {
  return "FP32 [" + rows + "," + std::to_string(columns) + "]";
}

void append_floats(const TensorView& input, std::vector<float>& out) {
  const std::size_t first = out.size();
  out.resize(first + input.data.size() / sizeof(float));
  if (!input.data.empty()) std::memcpy(out.data() + first, input.data.data(), input.data.size());
}

// Adds up the counts; nothing when one is negative or the sum is beyond any request.
std::optional<std::int64_t> sum_of(const TensorView& counts, std::int64_t num_jets) noexcept {
  std::int64_t sum = 0;
  for (std::int64_t jet = 0; jet < num_jets; ++jet) {
    const std::int64_t count = count_at(counts, jet);
    if (count < 0 || count > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
    sum += count;
  }
  return sum;
}

// Adds the jets' ends to the offsets.
void append_offsets(const TensorView& counts, std::int64_t particles,
                    std::vector<std::int64_t>& offsets) {
  const std::size_t before = offsets.size();
  const std::int64_t end = offsets.back() + particles;
  for (std::int64_t jet = 0; jet < counts.shape[0]; ++jet) {
    const std::int64_t count = count_at(counts, jet);
    if (count < 0 || count > end - offsets.back()) break;
    offsets.push_back(offsets.back() + count);
  }
  const bool whole = offsets.size() == before + static_cast<std::size_t>(counts.shape[0]);
  if (whole && offsets.back() == end) return;
  offsets.resize(before);
  fail(ErrorCode::InvalidArgument, "the input 'pf_counts' has changed while it was read");
}

}  // namespace

bool is_ragged(std::span<const TensorView> inputs) noexcept {
  return find(inputs, kCountsInput) != nullptr;
}

std::optional<std::string> check_ragged(std::span<const TensorView> inputs,
                                        std::span<const TensorSpec> padded,
                                        std::int64_t& num_jets) {
  const TensorView& counts = *find(inputs, kCountsInput);
  const TensorView* const features = find(inputs, "pf_features");
  const TensorView* const jets = find(inputs, "jet_features");
  const TensorView* const points = find(inputs, "pf_points");
  if (features == nullptr || jets == nullptr)
    return "a request with pf_counts needs pf_features and jet_features";
  if (inputs.size() != (points == nullptr ? 3U : 4U))
    return "a request with pf_counts takes pf_features, jet_features and pf_points, nothing else";
  const bool whole = counts.type == DataType::Int32 || counts.type == DataType::Int64;
  const bool column =
      counts.shape.size() == 1 || (counts.shape.size() == 2 && counts.shape[1] == 1);
  const std::int64_t n = column && counts.shape[0] >= 0 ? counts.shape[0] : 0;
  if (!whole || !column || n < 1 ||
      counts.data.size() / data_type_size(counts.type) != static_cast<std::size_t>(n) ||
      counts.data.size() % data_type_size(counts.type) != 0)
    return got(counts, "INT32 or INT64 [J], J at least 1");
  const std::optional<std::int64_t> particles = sum_of(counts, n);
  if (!particles) return "the input 'pf_counts' has a negative or too large count";
  const std::int64_t feature_columns = columns_of(padded, "pf_features");
  if (!is_matrix(*features, *particles, feature_columns))
    return got(*features, matrix(std::to_string(*particles), feature_columns) +
                              " as pf_counts adds up to " + std::to_string(*particles));
  const std::int64_t jet_columns = columns_of(padded, "jet_features");
  if (!is_matrix(*jets, n, jet_columns)) return got(*jets, matrix(std::to_string(n), jet_columns));
  if (points != nullptr && !is_matrix(*points, *particles, edm::kNumPointCoordinates))
    return got(*points, matrix(std::to_string(*particles), edm::kNumPointCoordinates));
  num_jets = n;
  return std::nullopt;
}

void append_ragged(std::span<const TensorView> inputs, edm::FeatureBatch& jets) {
  const TensorView& counts = *find(inputs, kCountsInput);
  const TensorView& features = *find(inputs, "pf_features");
  const TensorView& of_jets = *find(inputs, "jet_features");
  const std::int64_t n = counts.shape[0];
  append_offsets(counts, features.shape[0], jets.offsets);
  jets.particle_features = features.shape[1];
  jets.jet_features = of_jets.shape[1];
  const std::size_t first = jets.particles.size();
  append_floats(features, jets.particles);
  if (const TensorView* const points = find(inputs, "pf_points")) {
    append_floats(*points, jets.points);
  } else {
    for (std::size_t at = first; at < jets.particles.size();
         at += static_cast<std::size_t>(jets.particle_features)) {
      jets.points.push_back(jets.particles[at + 2]);
      jets.points.push_back(jets.particles[at + 3]);
    }
  }
  append_floats(of_jets, jets.jets);
  jets.target.resize(jets.target.size() + static_cast<std::size_t>(n));
}

std::vector<Tensor> make_ragged(const edm::FeatureView& jets) {
  const std::int64_t n = jets.num_jets();
  const auto matrix_of = [](const char* name, std::span<const float> values, std::int64_t columns) {
    Tensor tensor{name,
                  DataType::Fp32,
                  {static_cast<std::int64_t>(values.size()) / columns, columns},
                  std::vector<std::byte>(values.size_bytes())};
    if (!values.empty()) std::memcpy(tensor.data.data(), values.data(), values.size_bytes());
    return tensor;
  };
  std::vector<std::int32_t> counts(static_cast<std::size_t>(n));
  for (std::int64_t jet = 0; jet < n; ++jet)
    counts[static_cast<std::size_t>(jet)] =
        static_cast<std::int32_t>(jets.offsets[jet + 1] - jets.offsets[jet]);
  Tensor of_counts{std::string(kCountsInput),
                   DataType::Int32,
                   {n},
                   std::vector<std::byte>(counts.size() * sizeof(std::int32_t))};
  if (n > 0) std::memcpy(of_counts.data.data(), counts.data(), of_counts.data.size());
  std::vector<Tensor> tensors;
  tensors.push_back(std::move(of_counts));
  tensors.push_back(matrix_of("pf_features", jets.particles, jets.particle_features));
  tensors.push_back(matrix_of("jet_features", jets.jets, jets.jet_features));
  return tensors;
}

}  // namespace jetcal::engine
