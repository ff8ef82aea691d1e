// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/infer_request.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/server/detail/json_tensor.h"
#include "jetcal/server/service_state.h"

namespace jetcal::server {
namespace {

using engine::DataType;
using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t kMaxJsonDepth = 100;  // as Triton
constexpr std::size_t kMaxTensors = 1024;
constexpr std::uint64_t kMaxHeaderLength = std::uint64_t{1} << 40;

static_assert(BodyBuffer::kPadding >= simdjson::SIMDJSON_PADDING);

[[noreturn]] void bad(std::string_view what, std::string_view name, std::string_view problem) {
  fail(ErrorCode::InvalidArgument, what, name.empty() ? "" : " '", name, name.empty() ? "" : "'",
       " ", problem);
}

// Says what kind of JSON value a field must be, as Triton does.
[[noreturn]] void wrong_kind(std::string_view key, std::string_view kind) {
  fail(ErrorCode::InvalidArgument, "Unable to parse '", key, "': attempt to access JSON non-", kind,
       " as ", kind);
}

[[noreturn]] void missing(std::string_view key) {
  fail(ErrorCode::InvalidArgument, "Unable to parse '", key,
       "': attempt to access non-existing object member '", key, "'");
}

// Returns the text of a member; nothing when it is absent.
std::optional<std::string> text_member(const object& from, std::string_view key) {
  element value;
  if (from[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) wrong_kind(key, "string");
  return std::string(text);
}

std::string needed_text(const object& from, std::string_view key) {
  std::optional<std::string> text = text_member(from, key);
  if (!text) missing(key);
  return *std::move(text);
}

// Parameters are strings, numbers or booleans; the caller looks at those it knows.
std::optional<object> parameters_of(const object& from) {
  element value;
  if (from["parameters"].get(value) != simdjson::SUCCESS) return std::nullopt;
  object parameters;
  if (value.get(parameters) != simdjson::SUCCESS) wrong_kind("parameters", "object");
  for (const auto field : parameters) {
    const element entry = field.value;
    if (entry.is_null() || entry.is_array() || entry.is_object())
      bad("parameter", field.key,
          "has invalid type. It should be either 'int', 'bool', or 'string'.");
  }
  return parameters;
}

std::optional<bool> flag_parameter(const std::optional<object>& parameters, std::string_view key) {
  element value;
  if (!parameters || (*parameters)[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  bool flag = false;
  if (value.get(flag) != simdjson::SUCCESS) wrong_kind(key, "boolean");
  return flag;
}

std::optional<std::uint64_t> count_parameter(const std::optional<object>& parameters,
                                             std::string_view key) {
  element value;
  if (!parameters || (*parameters)[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  std::uint64_t count = 0;
  if (value.get(count) != simdjson::SUCCESS) wrong_kind(key, "unsigned-integer");
  return count;
}

std::vector<std::int64_t> read_shape(const object& input, const std::string& name) {
  element value;
  if (input["shape"].get(value) != simdjson::SUCCESS) missing("shape");
  array dimensions;
  if (value.get(dimensions) != simdjson::SUCCESS) wrong_kind("shape", "array");
  std::vector<std::int64_t> shape;
  for (const element dimension : dimensions) {
    std::int64_t size = 0;
    if (dimension.get(size) != simdjson::SUCCESS || size < 0)
      wrong_kind("shape", "unsigned-integer");
    shape.push_back(size);
  }
  if (!engine::element_count(shape)) bad("the shape of input", name, "has too many elements");
  return shape;
}

class InferParser {
 public:
  InferParser(std::string_view body, std::size_t json_length, const std::string& model,
              ServiceState* state)
      : json_(body.substr(0, json_length)),
        rest_(body.substr(json_length)),
        model_(model),
        state_(state) {}

  ParsedInfer parse() {
    object document = parse_document();
    if (const auto id = text_member(document, "id")) {
      parsed_.request.id = *id;
      parsed_.has_id = !id->empty();
    }
    const std::optional<object> parameters = parameters_of(document);
    parsed_.all_binary = flag_parameter(parameters, "binary_data_output").value_or(false);
    parsed_.request.priority = count_parameter(parameters, "priority").value_or(0);
    parsed_.request.timeout_us = count_parameter(parameters, "timeout").value_or(0);
    element value;
    if (document["inputs"].get(value) != simdjson::SUCCESS) missing("inputs");
    array inputs;
    if (value.get(inputs) != simdjson::SUCCESS) wrong_kind("inputs", "array");
    for (const element input : inputs) add_input(input);
    if (!rest_.empty())
      fail(ErrorCode::InvalidArgument, "unexpected additional input data for model '", model_, "'");
    element outputs;
    if (document["outputs"].get(outputs) == simdjson::SUCCESS) add_outputs(outputs);
    return std::move(parsed_);
  }

 private:
  object parse_document() {
    if (json_.empty()) bad("the request body", "", "is empty");
    simdjson::error_code error = parser_.allocate(json_.size(), kMaxJsonDepth);
    element root;
    if (error == simdjson::SUCCESS)
      error =
          parser_.parse(reinterpret_cast<const std::uint8_t*>(json_.data()), json_.size(), false)
              .get(root);
    if (error == simdjson::MEMALLOC)
      fail(ErrorCode::ResourceExhausted, "no memory to parse a request of ", json_.size(),
           " bytes of JSON");
    if (error != simdjson::SUCCESS)
      fail(ErrorCode::InvalidArgument,
           "failed to parse the request JSON buffer: ", simdjson::error_message(error));
    object document;
    if (root.get(document) != simdjson::SUCCESS) missing("inputs");
    return document;
  }

  void add_input(const element& value) {
    object input;
    if (value.get(input) != simdjson::SUCCESS) missing("name");
    engine::TensorView tensor;
    tensor.name = needed_text(input, "name");
    if (parsed_.request.inputs.size() == kMaxTensors) bad("the request", "", "has too many inputs");
    const std::string type = needed_text(input, "datatype");
    tensor.shape = read_shape(input, tensor.name);
    const bool known = !type.starts_with("TYPE_") && engine::parse_data_type(type).has_value();
    if (!known) fail(ErrorCode::InvalidArgument, "invalid datatype for input ", tensor.name);
    tensor.type = *engine::parse_data_type(type);
    const std::optional<object> parameters = parameters_of(input);
    switch (source_of(input, parameters)) {
      case Source::Binary:
        take_binary(*parameters, tensor);
        break;
      case Source::SharedMemory: {
        const SharedBytes memory = find_memory(*parameters);
        tensor.data = memory.bytes;
        parsed_.regions.push_back(memory);
        break;
      }
      case Source::Json: {
        array data;
        if (input["data"].get(data) != simdjson::SUCCESS) wrong_kind("data", "array");
        parsed_.storage.push_back(detail::read_json_data(data, json_.size(), tensor));
      }
    }
    parsed_.request.inputs.push_back(std::move(tensor));
  }

  enum class Source { Json, Binary, SharedMemory };

  static Source source_of(const object& input, const std::optional<object>& parameters) {
    const auto has = [&](std::string_view key) {
      return parameters && (*parameters)[key].error() == simdjson::SUCCESS;
    };
    std::string set;
    Source source = Source::Json;
    if (input["data"].error() == simdjson::SUCCESS) set += " 'data'";
    if (has("binary_data_size")) {
      set += " 'binary_data_size'";
      source = Source::Binary;
    }
    if (has("shared_memory_region")) {
      set += " 'shared_memory_region'";
      source = Source::SharedMemory;
    }
    if (!set.empty() && set.find(' ', 1) == std::string::npos) return source;
    fail(ErrorCode::InvalidArgument,
         "Input must set only one of the following fields: 'data', 'binary_data_size' in "
         "'parameters', 'shared_memory_region' in 'parameters'. But ",
         set.empty() ? "no field is set" : "set" + set);
  }

  SharedBytes find_memory(const object& parameters) const {
    const std::string region = needed_text(parameters, "shared_memory_region");
    const std::optional<object> all = parameters;
    const std::uint64_t offset = count_parameter(all, "shared_memory_offset").value_or(0);
    const std::optional<std::uint64_t> size = count_parameter(all, "shared_memory_byte_size");
    if (!size) missing("shared_memory_byte_size");
    if (state_ == nullptr)
      fail(ErrorCode::NotFound, "Unable to find shared memory region: '", region, "'");
    return state_->regions().find(region, offset, *size);
  }

  void take_binary(const object& parameters, engine::TensorView& tensor) {
    const std::uint64_t size = count_parameter(parameters, "binary_data_size").value();
    if (size > rest_.size())
      fail(ErrorCode::InvalidArgument, "unexpected size for input '", tensor.name, "', expecting ",
           size - rest_.size(), " additional bytes for model '", model_, "'");
    tensor.data = std::as_bytes(std::span(rest_.data(), size));
    rest_.remove_prefix(size);
  }

  void add_outputs(const element& value) {
    array outputs;
    if (value.get(outputs) != simdjson::SUCCESS) wrong_kind("outputs", "array");
    for (const element entry : outputs) {
      object output;
      if (entry.get(output) != simdjson::SUCCESS) missing("name");
      OutputPlan plan;
      plan.name = needed_text(output, "name");
      if (parsed_.outputs.size() == kMaxTensors)
        bad("the request", "", "asks for too many outputs");
      const std::optional<object> parameters = parameters_of(output);
      plan.binary = flag_parameter(parameters, "binary_data").value_or(parsed_.all_binary);
      plan.classes = count_parameter(parameters, "classification").value_or(0);
      if (parameters && (*parameters)["shared_memory_region"].error() == simdjson::SUCCESS) {
        plan.region = needed_text(*parameters, "shared_memory_region");
        plan.offset = count_parameter(parameters, "shared_memory_offset").value_or(0);
        plan.memory = find_memory(*parameters);
      }
      parsed_.request.outputs.push_back(plan.name);
      parsed_.outputs.push_back(std::move(plan));
    }
  }

  std::string_view json_, rest_;
  const std::string& model_;
  ServiceState* state_;
  simdjson::dom::parser parser_;
  ParsedInfer parsed_;
};

}  // namespace

std::optional<std::size_t> infer_header_length(const HttpHead& head) {
  const std::string* const text = head.find(kInferHeaderLength);
  if (text == nullptr) return std::nullopt;
  const auto value = parse_number<std::uint64_t>(*text);
  if (!value || *value > kMaxHeaderLength)
    bad("the header Inference-Header-Content-Length", "",
        "must be a whole number of bytes, not '" + *text + "'");
  return value;
}

OutputPlan ParsedInfer::plan_of(const std::string& output) const {
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const OutputPlan& plan) { return plan.name == output; });
  if (found != outputs.end()) return *found;
  OutputPlan plan;
  plan.name = output;
  plan.binary = all_binary;
  return plan;
}

ParsedInfer parse_infer(std::string_view body, std::size_t json_length, const std::string& model,
                        ServiceState* state) {
  if (json_length > body.size())
    fail(ErrorCode::InvalidArgument, "inference header size should be in range (0, ", body.size(),
         "), got: ", json_length, " (header Inference-Header-Content-Length)");
  return InferParser(body, json_length, model, state).parse();
}

ParsedInfer raw_infer(std::string_view body, const engine::ModelMetadata& model, bool batching) {
  if (model.inputs.size() != 1)
    fail(ErrorCode::InvalidArgument, "Raw request must only have 1 input (found ",
         model.inputs.size(), ") to be deduced but got ", model.inputs.size(), " inputs in '",
         model.name, "' model configuration");
  const engine::TensorSpec& spec = model.inputs.front();
  ParsedInfer parsed;
  parsed.all_binary = true;
  engine::TensorView tensor{spec.name, spec.type, spec.shape, {}};
  if (batching && !tensor.shape.empty()) tensor.shape.front() = 1;
  const auto open = std::count(tensor.shape.begin(), tensor.shape.end(), -1);
  if (open > 1)
    bad("a raw request cannot say the shape of input", spec.name,
        "which has several variable dimensions");
  tensor.data = std::as_bytes(std::span(body.data(), body.size()));
  if (spec.type == DataType::Bytes) {
    std::replace(tensor.shape.begin(), tensor.shape.end(), std::int64_t{-1}, std::int64_t{1});
    const auto length = static_cast<std::uint32_t>(body.size());
    auto bytes = std::make_unique<std::byte[]>(sizeof length + body.size());
    std::memcpy(bytes.get(), &length, sizeof length);
    if (!body.empty()) std::memcpy(bytes.get() + sizeof length, body.data(), body.size());
    tensor.data = {bytes.get(), sizeof length + body.size()};
    parsed.storage.push_back(std::move(bytes));
  } else if (open == 1) {
    std::vector<std::int64_t> others = tensor.shape;
    std::replace(others.begin(), others.end(), std::int64_t{-1}, std::int64_t{1});
    const std::int64_t row = std::max<std::int64_t>(engine::element_count(others).value_or(1), 1) *
                             static_cast<std::int64_t>(engine::data_type_size(spec.type));
    std::replace(tensor.shape.begin(), tensor.shape.end(), std::int64_t{-1},
                 static_cast<std::int64_t>(body.size()) / row);
  }
  const std::size_t size = engine::data_type_size(spec.type);
  const auto expected =
      static_cast<std::size_t>(engine::element_count(tensor.shape).value()) * size;
  if (size > 0 && expected != body.size())
    fail(ErrorCode::InvalidArgument, "input byte size mismatch for input '", spec.name,
         "' for model '", model.name, "'. Expected ", expected, ", got ", body.size());
  parsed.request.inputs.push_back(std::move(tensor));
  return parsed;
}

}  // namespace jetcal::server
