// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/request_check.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <sstream>

#include "jetcal/engine/ragged_batch.h"

namespace jetcal::engine::detail {
namespace {

template <typename... Parts>
Error invalid(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return {ErrorCode::InvalidArgument, text.str()};
}

// Starts a sentence as Triton does where it speaks of a request.
std::string of_request(const InferRequest& request) {
  return "[request id: " + (request.id.empty() ? "<id_unknown>" : request.id) + "] ";
}

constexpr const char* kBatchNote =
    " NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be "
    "prepended to each input shape. If you want to specify the full shape including the batch dim "
    "in your input dims config, try setting max_batch_size to zero. See the model configuration "
    "docs for more info on max_batch_size.";

template <typename Items, typename Name>
std::string list_names(const Items& items, Name name) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "'" : ",'") + name(item) + "'";
  return "[" + text + "]";
}

const TensorSpec* find(const std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found = std::find_if(specs.begin(), specs.end(),
                                  [&](const TensorSpec& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

bool given(const InferRequest& request, const std::string& name) {
  return std::any_of(request.inputs.begin(), request.inputs.end(),
                     [&](const TensorView& input) { return input.name == name; });
}

bool fits(std::span<const std::int64_t> want, std::span<const std::int64_t> got) {
  return std::equal(want.begin(), want.end(), got.begin(), got.end(),
                    [](std::int64_t w, std::int64_t g) { return w == -1 || w == g; });
}

std::optional<Error> check_names(const InferRequest& request, const ServedModelConfig& config) {
  for (std::size_t i = 0; i < request.inputs.size(); ++i) {
    const std::string& name = request.inputs[i].name;
    if (find(config.inputs, name) == nullptr)
      return invalid("unexpected inference input '", name, "' for model '", config.name, "'");
    for (std::size_t k = 0; k < i; ++k) {
      if (request.inputs[k].name == name)
        return invalid(of_request(request), "input '", name, "' already exists in request");
    }
  }
  std::vector<TensorSpec> missing;
  std::copy_if(config.inputs.begin(), config.inputs.end(), std::back_inserter(missing),
               [&](const TensorSpec& spec) {
                 const auto& optional = config.optional;
                 return !given(request, spec.name) &&
                        std::find(optional.begin(), optional.end(), spec.name) == optional.end();
               });
  if (!missing.empty()) {
    const auto name = [](const auto& tensor) { return tensor.name; };
    return invalid(of_request(request), "expected ", config.inputs.size(), " inputs but got ",
                   request.inputs.size(), " inputs for model '", config.name, "'. Got input(s) ",
                   list_names(request.inputs, name), ", but missing required input(s) ",
                   list_names(missing, name), ". Please provide all required input(s).");
  }
  return std::nullopt;
}

std::optional<Error> check_outputs(const InferRequest& request, const ServedModelConfig& config) {
  for (const std::string& name : request.outputs) {
    if (find(config.outputs, name) == nullptr)
      return invalid("unexpected inference output '", name, "' for model '", config.name, "'");
  }
  return std::nullopt;
}

// The particles of all jets in a row, and how many each jet has.
Result<std::int64_t> check_ragged_request(const InferRequest& request,
                                          const ServedModelConfig& config) {
  const bool batched = config.max_batch_size > 0;
  std::vector<TensorSpec> padded = config.inputs;
  for (TensorSpec& spec : padded) {
    if (batched) spec.shape.insert(spec.shape.begin(), -1);
  }
  std::int64_t num_jets = 0;
  if (const auto problem = check_ragged(request.inputs, padded, num_jets))
    return invalid(of_request(request), *problem, " for model '", config.name, "'");
  if (!batched) return std::int64_t{1};
  if (num_jets > config.max_batch_size)
    return invalid(of_request(request),
                   "inference request batch-size must be <= ", config.max_batch_size, " for '",
                   config.name, "'");
  return num_jets;
}

std::optional<Error> check_input(const InferRequest& request, const TensorView& input,
                                 const ServedModelConfig& config) {
  const TensorSpec& spec = *find(config.inputs, input.name);
  if (input.type != spec.type)
    return invalid(of_request(request), "inference input '", input.name, "' data-type is '",
                   data_type_name(input.type), "', but model '", config.name, "' expects '",
                   data_type_name(spec.type), "'");
  const bool batched = config.max_batch_size > 0;
  if (batched && input.shape.empty())
    return invalid(of_request(request), "input '", input.name,
                   "' has no shape but model requires batch dimension for '", config.name, "'");
  std::vector<std::int64_t> want = spec.shape;
  if (batched) want.insert(want.begin(), -1);
  const std::optional<std::int64_t> count = element_count(input.shape);
  if (!count || !fits(want, input.shape))
    return invalid(of_request(request), "unexpected shape for input '", input.name, "' for model '",
                   config.name, "'. Expected ", shape_text(want), ", got ", shape_text(input.shape),
                   ".", batched ? kBatchNote : "");
  return std::nullopt;
}

// Strings are a length and that many bytes each; as many as the shape says must fill the bytes.
std::optional<Error> check_strings(const InferRequest& request, const TensorView& input,
                                   const ServedModelConfig& config) {
  const std::string of_input = "for inference input '" + input.name + "'";
  const std::string of_model = of_input + " for model '" + config.name + "'";
  const std::int64_t count = element_count(input.shape).value();
  std::int64_t found = 0;
  for (std::span<const std::byte> rest = input.data; !rest.empty(); ++found) {
    std::uint32_t length = 0;
    if (rest.size() < sizeof length)
      return invalid("incomplete string length indicator ", of_input, ", expecting ", sizeof length,
                     " bytes but only ", rest.size(), " bytes available");
    std::memcpy(&length, rest.data(), sizeof length);
    rest = rest.subspan(sizeof length);
    if (rest.size() < length)
      return invalid("incomplete string data ", of_input, ", expecting string of length ", length,
                     " but only ", rest.size(), " bytes available");
    rest = rest.subspan(length);
  }
  if (found > count)
    return invalid(of_request(request), "unexpected number of string elements ", found, " ",
                   of_model, ", expecting ", count);
  if (found < count)
    return invalid(of_request(request), "expected ", count, " string elements ", of_model, ", got ",
                   found);
  return std::nullopt;
}

std::optional<Error> check_bytes(const InferRequest& request, const TensorView& input,
                                 const ServedModelConfig& config) {
  const std::int64_t count = element_count(input.shape).value();
  const std::size_t size = data_type_size(input.type);
  if (size == 0) return check_strings(request, input, config);
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  const auto elements = static_cast<std::size_t>(count);
  const std::size_t expected = elements > kMost / size ? kMost : elements * size;
  if (input.data.size() != expected)
    return invalid(of_request(request), "input byte size mismatch for input '", input.name,
                   "' for model '", config.name, "'. Expected ", expected, ", got ",
                   input.data.size());
  return std::nullopt;
}

// Sizes that the configuration leaves open but that belong together: particles of a jet.
std::optional<Error> check_particles(const InferRequest& request, const ServedModelConfig& config) {
  const TensorView* mask = nullptr;
  for (const TensorView& input : request.inputs) {
    if (input.name == "pf_mask") mask = &input;
  }
  if (mask == nullptr || mask->shape.size() < 2) return std::nullopt;
  for (const TensorView& input : request.inputs) {
    const bool of_particles = input.name == "pf_points" || input.name == "pf_features";
    if (of_particles && input.shape.size() == mask->shape.size() &&
        input.shape.back() != mask->shape.back()) {
      std::vector<std::int64_t> want = input.shape;
      want.back() = mask->shape.back();
      return invalid(of_request(request), "unexpected shape for input '", input.name,
                     "' for model '", config.name, "'. Expected ", shape_text(want),
                     " as 'pf_mask' has ", want.back(), " particles, got ",
                     shape_text(input.shape));
    }
  }
  return std::nullopt;
}

// Rows of the request: the first dimension of every input.
Result<std::int64_t> check_batch(const InferRequest& request, const ServedModelConfig& config) {
  if (config.max_batch_size == 0 || request.inputs.empty()) return std::int64_t{1};
  const std::int64_t batch = request.inputs.front().shape.front();
  for (const TensorView& input : request.inputs) {
    if (input.shape.front() != batch)
      return invalid(of_request(request), "input '", input.name,
                     "' batch size does not match other inputs for '", config.name, "'");
  }
  if (batch < 1)
    return invalid(of_request(request), "inference request batch-size must be at least 1 for '",
                   config.name, "'");
  if (batch > config.max_batch_size)
    return invalid(of_request(request),
                   "inference request batch-size must be <= ", config.max_batch_size, " for '",
                   config.name, "'");
  return batch;
}

}  // namespace

Result<std::int64_t> check_request(const InferRequest& request, const ServedModelConfig& config) {
  if (auto error = check_outputs(request, config)) return *error;
  if (config.native && is_ragged(request.inputs)) return check_ragged_request(request, config);
  if (auto error = check_names(request, config)) return *error;
  for (const TensorView& input : request.inputs) {
    if (auto error = check_input(request, input, config)) return *error;
  }
  Result<std::int64_t> batch = check_batch(request, config);
  if (!batch.ok()) return batch;
  for (const TensorView& input : request.inputs) {
    if (auto error = check_bytes(request, input, config)) return *error;
  }
  if (auto error = check_particles(request, config)) return *error;
  return batch;
}

}  // namespace jetcal::engine::detail
