// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "jetcal/cuda/detail/image.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/rows.h"

namespace jetcal::cuda::detail {
namespace {

/// Where one thread's number lies; `valid` is false beyond the last one.
struct ImagePlace {
  bool valid;
  std::int64_t flat, image;
};

JETCAL_DEVICE inline ImagePlace place_of(const ImageCopy& copy, const Place& place) {
  const std::int64_t element = flat_index(place);
  const std::int64_t row = element / copy.columns;
  const std::int64_t c = element % copy.columns;
  return {row < copy.rows, copy.flat + row * copy.flat_pitch + c,
          copy.image + row * copy.image_pitch + c};
}

struct PackBody : OneStep {
  static constexpr const char* kName = "pack_weights";
  const ImageCopy* copies;
  const float* parameters;
  float* weights;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const ImageCopy copy = copies[place.column_block];
    const ImagePlace at = place_of(copy, place);
    if (!at.valid) return;
    if (copy.second == 0) {
      weights[at.image] = parameters[at.flat];
      return;
    }
    const float of_difference = parameters[at.flat + copy.columns];
    weights[at.image] = parameters[at.flat] - of_difference;
    weights[at.image + copy.second] = of_difference;
  }
};

struct UnpackBody : OneStep {
  static constexpr const char* kName = "unpack_gradient";
  const ImageCopy* copies;
  const float* gradient;
  float* grad_parameters;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const ImageCopy copy = copies[place.column_block];
    const ImagePlace at = place_of(copy, place);
    if (!at.valid) return;
    const float own = gradient[at.image];
    grad_parameters[at.flat] = own;
    if (copy.second != 0) {
      grad_parameters[at.flat + copy.columns] = gradient[at.image + copy.second] - own;
    }
  }
};

struct ConvertBody : OneStep {
  static constexpr const char* kName = "convert";
  const float* from;
  std::int64_t size;
  Bf16* to;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t i = flat_index(place);
    if (i < size) to[i] = to_bf16(from[i]);
  }
};

struct AddSlotsBody : OneStep {
  static constexpr const char* kName = "add_slots";
  const float* parts;
  std::int64_t slots, size;
  float* total;

  JETCAL_DEVICE void step(std::int64_t /*step*/, const Place& place, Shared& /*shared*/) const {
    const std::int64_t i = flat_index(place);
    if (i >= size) return;
    double sum = 0;
    for (std::int64_t slot = 0; slot < slots; ++slot) sum += parts[slot * size + i];
    total[i] = static_cast<float>(sum);
  }
};

}  // namespace

Image::Image(Queue& queue, const std::vector<ImageCopy>& copies, std::int64_t size, bool with_bf16)
    : size_(size),
      num_copies_(static_cast<std::int64_t>(copies.size())),
      weights_(size),
      gradient_(size) {
  for (const ImageCopy& copy : copies) largest_ = std::max(largest_, copy.rows * copy.columns);
  upload(queue, std::span<const ImageCopy>(copies), copies_);
  // Padding is never written again.
  queue.fill_zero(weights_.data(), static_cast<std::size_t>(size) * sizeof(float));
  if (with_bf16) weights_bf16_.reserve(size);
  queue.synchronize();
}

void Image::pack(Queue& queue, const float* parameters) {
  launch(queue, {flat_grid(largest_).blocks, num_copies_},
         PackBody{{}, copies_.data(), parameters, weights_.data()});
  if (weights_bf16_.capacity() > 0) convert(queue, weights_.data(), size_, weights_bf16_.data());
}

void Image::unpack_gradient(Queue& queue, float* grad_parameters) const {
  launch(queue, {flat_grid(largest_).blocks, num_copies_},
         UnpackBody{{}, copies_.data(), gradient_.data(), grad_parameters});
}

void convert(Queue& queue, const float* from, std::int64_t size, Bf16* to) {
  launch(queue, flat_grid(size), ConvertBody{{}, from, size, to});
}

void add_slots(Queue& queue, const float* parts, std::int64_t slots, std::int64_t size,
               float* total) {
  launch(queue, flat_grid(size), AddSlotsBody{{}, parts, slots, size, total});
}

}  // namespace jetcal::cuda::detail
