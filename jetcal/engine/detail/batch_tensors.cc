// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/batch_tensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::engine::detail {
namespace {

using nlohmann::ordered_json;
using Shapes = std::vector<std::vector<std::int64_t>>;

constexpr std::array<std::string_view, 6> kKinds{"BATCH_ELEMENT_COUNT",
                                                 "BATCH_ACCUMULATED_ELEMENT_COUNT",
                                                 "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
                                                 "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
                                                 "BATCH_ITEM_SHAPE",
                                                 "BATCH_ITEM_SHAPE_FLATTEN"};
constexpr std::string_view kScatter = "BATCH_SCATTER_WITH_INPUT_SHAPE";
// Whole numbers are exact in FP32 up to here.
constexpr std::int64_t kMaxExactFp32 = std::int64_t{1} << 24;

const TensorSpec* find(const std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const TensorSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

// The only source of a batch input or output.
std::string read_source(const ordered_json& entry, std::string_view field, const std::string& kind,
                        const std::vector<TensorSpec>& inputs, const std::string& source) {
  const auto names = entry.value("source_input", std::vector<std::string>{});
  if (names.size() != 1)
    fail(ErrorCode::InvalidArgument, source, ": ", field, " of the kind ", kind,
         " wants 1 source_input, not ", names.size());
  if (find(inputs, names.front()) == nullptr)
    fail(ErrorCode::InvalidArgument, source, ": ", field, " names the source_input '",
         names.front(), "', which is no input");
  return names.front();
}

BatchInput read_batch_input(const ordered_json& entry, const std::vector<TensorSpec>& inputs,
                            const std::string& source) {
  const std::string kind = entry.value("kind", std::string(kKinds.front()));
  const auto* const known = std::find(kKinds.begin(), kKinds.end(), kind);
  if (known == kKinds.end())
    fail(ErrorCode::InvalidArgument, source, ": batch_input has the unknown kind '", kind, "'");
  BatchInput input;
  input.kind = static_cast<BatchInputKind>(known - kKinds.begin());
  input.source = read_source(entry, "batch_input", kind, inputs, source);
  input.targets = entry.value("target_name", std::vector<std::string>{});
  if (input.targets.empty())
    fail(ErrorCode::InvalidArgument, source, ": batch_input of the kind ", kind,
         " has no target_name");
  const std::string type = entry.value("data_type", "");
  if (type != "TYPE_INT32" && type != "TYPE_FP32")
    fail(ErrorCode::InvalidArgument, source, ": batch_input '", input.targets.front(),
         "' has data_type '", type, "', not TYPE_INT32 or TYPE_FP32");
  input.type = parse_data_type(type).value();
  for (const std::string& target : input.targets) {
    if (find(inputs, target) != nullptr)
      fail(ErrorCode::InvalidArgument, source, ": batch_input fills '", target,
           "', which clients send as an input");
  }
  return input;
}

void read_batch_output(const ordered_json& entry, const std::vector<TensorSpec>& inputs,
                       const std::vector<TensorSpec>& outputs, const std::string& source,
                       std::vector<BatchOutput>& read) {
  const std::string kind = entry.value("kind", std::string(kScatter));
  if (kind != kScatter)
    fail(ErrorCode::InvalidArgument, source, ": batch_output has the unknown kind '", kind, "'");
  const std::string from = read_source(entry, "batch_output", kind, inputs, source);
  const TensorSpec& input = *find(inputs, from);
  for (const auto& name : entry.value("target_name", std::vector<std::string>{})) {
    const TensorSpec* const output = find(outputs, name);
    const bool twice = std::any_of(read.begin(), read.end(),
                                   [&](const BatchOutput& one) { return one.target == name; });
    if (output == nullptr || twice)
      fail(ErrorCode::InvalidArgument, source, ": batch_output names the target '", name,
           "', which ", twice ? "is named twice" : "is no output");
    const bool open =
        std::find(output->shape.begin(), output->shape.end(), -1) != output->shape.end();
    if (open && output->shape.size() != input.shape.size())
      fail(ErrorCode::InvalidArgument, source, ": batch_output '", name, "' has ",
           output->shape.size(), " dimensions and its source_input '", from, "' ",
           input.shape.size());
    BatchOutput scattered{name, from, output->shape};
    scattered.shape.insert(scattered.shape.begin(), -1);
    read.push_back(std::move(scattered));
  }
}

std::vector<std::int64_t> counts(const Shapes& shapes) {
  std::vector<std::int64_t> counted;
  for (const auto& shape : shapes) counted.push_back(element_count(shape).value_or(0));
  return counted;
}

std::vector<std::int64_t> accumulated(const Shapes& shapes) {
  std::vector<std::int64_t> sums = counts(shapes);
  for (std::size_t i = 1; i < sums.size(); ++i) sums[i] += sums[i - 1];
  return sums;
}

// The shape of each row of the batch.
std::vector<std::int64_t> item_shapes(const Shapes& shapes) {
  std::vector<std::int64_t> values;
  for (const auto& shape : shapes) {
    for (std::int64_t row = 0; row < shape.front(); ++row)
      values.insert(values.end(), shape.begin() + 1, shape.end());
  }
  return values;
}

void store(const BatchInput& input, const std::vector<std::int64_t>& values, Tensor& tensor) {
  const bool whole = input.type == DataType::Int32;
  const std::int64_t largest = whole ? std::numeric_limits<std::int32_t>::max() : kMaxExactFp32;
  tensor.data.resize(values.size() * sizeof(std::int32_t));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > largest)
      fail(ErrorCode::InvalidArgument, "batch_input '", tensor.name, "' of ",
           data_type_name(input.type), " cannot hold ", values[i]);
    const auto integer = static_cast<std::int32_t>(values[i]);
    const auto real = static_cast<float>(values[i]);
    std::byte* const place = tensor.data.data() + i * sizeof(std::int32_t);
    std::memcpy(place, whole ? static_cast<const void*>(&integer) : &real, sizeof integer);
  }
}

}  // namespace

bool BatchTensors::is_ragged(const std::string& input) const noexcept {
  return std::find(ragged.begin(), ragged.end(), input) != ragged.end();
}

const BatchOutput* BatchTensors::find_output(const std::string& name) const noexcept {
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const BatchOutput& output) { return output.target == name; });
  return found == outputs.end() ? nullptr : &*found;
}

BatchTensors read_batch_tensors(const ordered_json& config, const std::vector<TensorSpec>& inputs,
                                const std::vector<TensorSpec>& outputs, const std::string& source) {
  BatchTensors tensors;
  for (const ordered_json& input : config.value("input", ordered_json::array())) {
    if (input.value("allow_ragged_batch", false)) tensors.ragged.push_back(input["name"]);
  }
  for (const ordered_json& entry : config.value("batch_input", ordered_json::array()))
    tensors.inputs.push_back(read_batch_input(entry, inputs, source));
  for (const ordered_json& entry : config.value("batch_output", ordered_json::array()))
    read_batch_output(entry, inputs, outputs, source, tensors.outputs);
  if (!tensors.empty() && config.value("max_batch_size", std::int64_t{0}) == 0)
    fail(ErrorCode::InvalidArgument, source,
         ": allow_ragged_batch, batch_input and batch_output need a max_batch_size above 0");
  return tensors;
}

ordered_json batch_inputs_json(const BatchTensors& tensors) {
  ordered_json list = ordered_json::array();
  for (const BatchInput& input : tensors.inputs)
    list.push_back({{"kind", kKinds[static_cast<std::size_t>(input.kind)]},
                    {"target_name", input.targets},
                    {"data_type", "TYPE_" + std::string(data_type_name(input.type))},
                    {"source_input", ordered_json::array({input.source})}});
  return list;
}

ordered_json batch_outputs_json(const BatchTensors& tensors) {
  ordered_json list = ordered_json::array();
  for (const BatchOutput& output : tensors.outputs)
    list.push_back({{"target_name", ordered_json::array({output.target})},
                    {"kind", kScatter},
                    {"source_input", ordered_json::array({output.source})}});
  return list;
}

std::size_t batch_input_rank(BatchInputKind kind) noexcept {
  return kind == BatchInputKind::ItemShape ? 2 : 1;
}

Tensor make_batch_input(const BatchInput& input, const Shapes& shapes) {
  std::vector<std::int64_t> values;
  switch (input.kind) {
    case BatchInputKind::ElementCount:
      values = counts(shapes);
      break;
    case BatchInputKind::AccumulatedElementCount:
      values = accumulated(shapes);
      break;
    case BatchInputKind::AccumulatedElementCountWithZero:
      values = accumulated(shapes);
      values.insert(values.begin(), 0);
      break;
    case BatchInputKind::MaxElementCountAsShape: {
      // Only its shape says something; Triton leaves the values open.
      const std::vector<std::int64_t> sizes = counts(shapes);
      values.assign(static_cast<std::size_t>(*std::max_element(sizes.begin(), sizes.end())), 0);
      break;
    }
    case BatchInputKind::ItemShape:
    case BatchInputKind::ItemShapeFlatten:
      values = item_shapes(shapes);
      break;
  }
  Tensor tensor{input.targets.front(), input.type, {static_cast<std::int64_t>(values.size())}, {}};
  if (input.kind == BatchInputKind::ItemShape) {
    const auto rank = static_cast<std::int64_t>(shapes.front().size()) - 1;
    tensor.shape = {rank > 0 ? tensor.shape.front() / rank : 0, rank};
  }
  store(input, values, tensor);
  return tensor;
}

std::vector<std::int64_t> batch_output_shape(const BatchOutput& output,
                                             const std::vector<std::int64_t>& source_shape) {
  std::vector<std::int64_t> shape = output.shape;
  shape.front() = source_shape.front();
  for (std::size_t i = 1; i < shape.size(); ++i) {
    if (shape[i] == -1) shape[i] = source_shape[i];
  }
  return shape;
}

}  // namespace jetcal::engine::detail
