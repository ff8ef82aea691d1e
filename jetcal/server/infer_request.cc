// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/infer_request.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/server/detail/json_tensor.h"

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

// Returns the text of a member; nothing when it is absent.
std::optional<std::string> text_member(const object& from, std::string_view key,
                                       std::string_view what) {
  element value;
  if (from[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS)
    bad("the field", key, std::string("of ") + std::string(what) + " must be a string");
  return std::string(text);
}

// Parameters are strings, numbers or booleans; the caller looks at those it knows.
std::optional<object> parameters_of(const object& from, std::string_view what) {
  element value;
  if (from["parameters"].get(value) != simdjson::SUCCESS) return std::nullopt;
  object parameters;
  if (value.get(parameters) != simdjson::SUCCESS)
    bad("the parameters of", what, "must be an object");
  for (const auto field : parameters) {
    const element entry = field.value;
    if (entry.is_null() || entry.is_array() || entry.is_object())
      bad("the parameter", field.key, "must be a string, a number or a boolean");
  }
  return parameters;
}

std::optional<bool> flag_parameter(const std::optional<object>& parameters, std::string_view key) {
  element value;
  if (!parameters || (*parameters)[key].get(value) != simdjson::SUCCESS) return std::nullopt;
  bool flag = false;
  if (value.get(flag) != simdjson::SUCCESS) bad("the parameter", key, "must be a boolean");
  return flag;
}

void refuse_shared_memory(const std::optional<object>& parameters, std::string_view tensor) {
  element value;
  if (parameters && (*parameters)["shared_memory_region"].get(value) == simdjson::SUCCESS)
    bad("shared memory is not supported: tensor", tensor, "asks for it");
}

std::vector<std::int64_t> read_shape(const object& input, const std::string& name) {
  array dimensions;
  if (input["shape"].get(dimensions) != simdjson::SUCCESS)
    bad("input", name, "must have a field 'shape' that is an array");
  std::vector<std::int64_t> shape;
  for (const element dimension : dimensions) {
    std::int64_t size = 0;
    if (dimension.get(size) != simdjson::SUCCESS || size < 0)
      bad("the shape of input", name, "must hold whole numbers from 0 up");
    shape.push_back(size);
  }
  if (!engine::element_count(shape)) bad("the shape of input", name, "has too many elements");
  return shape;
}

// Counts the elements of a Bytes tensor; nothing when a length points beyond the end.
std::optional<std::int64_t> count_strings(std::span<const std::byte> data) {
  std::int64_t count = 0;
  std::size_t at = 0;
  while (at < data.size()) {
    std::uint32_t length = 0;
    if (data.size() - at < sizeof length) return std::nullopt;
    std::memcpy(&length, data.data() + at, sizeof length);
    at += sizeof length;
    if (data.size() - at < length) return std::nullopt;
    at += length;
    ++count;
  }
  return count;
}

void check_binary_size(const engine::TensorView& tensor) {
  const std::int64_t count = engine::element_count(tensor.shape).value();
  if (tensor.type == DataType::Bytes) {
    const std::optional<std::int64_t> found = count_strings(tensor.data);
    if (!found) bad("the bytes of input", tensor.name, "end inside a string");
    if (*found != count)
      fail(ErrorCode::InvalidArgument, "input '", tensor.name, "' holds ", *found,
           " strings, its shape ", engine::shape_text(tensor.shape), " asks for ", count);
    return;
  }
  // The count is at most 2^62; compared by division, so that no product overflows.
  const std::size_t size = engine::data_type_size(tensor.type);
  if (tensor.data.size() % size == 0 &&
      tensor.data.size() / size == static_cast<std::uint64_t>(count))
    return;
  fail(ErrorCode::InvalidArgument, "input '", tensor.name, "' has ", tensor.data.size(),
       " bytes, which is not what shape ", engine::shape_text(tensor.shape), " of ",
       engine::data_type_name(tensor.type), " needs");
}

class InferParser {
 public:
  InferParser(std::string_view body, std::size_t json_length)
      : json_(body.substr(0, json_length)), rest_(body.substr(json_length)) {}

  ParsedInfer parse() {
    object document = parse_document();
    if (const auto id = text_member(document, "id", "the request")) {
      parsed_.request.id = *id;
      parsed_.has_id = true;
    }
    const std::optional<object> parameters = parameters_of(document, "the request");
    parsed_.all_binary = flag_parameter(parameters, "binary_data_output").value_or(false);
    array inputs;
    if (document["inputs"].get(inputs) != simdjson::SUCCESS)
      bad("the request", "", "must have a field 'inputs' that is an array");
    for (const element value : inputs) add_input(value);
    if (parsed_.request.inputs.empty()) bad("the field", "inputs", "must not be empty");
    if (!rest_.empty())
      fail(ErrorCode::InvalidArgument, "unexpected additional input data: ", rest_.size(),
           " bytes of the body belong to no input");
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
           "failed to parse the request JSON: ", simdjson::error_message(error));
    object document;
    if (root.get(document) != simdjson::SUCCESS) bad("the request JSON", "", "must be an object");
    return document;
  }

  void add_input(const element& value) {
    object input;
    if (value.get(input) != simdjson::SUCCESS) bad("every input", "", "must be an object");
    engine::TensorView tensor;
    const std::optional<std::string> name = text_member(input, "name", "an input");
    if (!name) bad("every input", "", "must have a field 'name'");
    tensor.name = *name;
    check_new_name(tensor.name);
    const std::optional<std::string> type = text_member(input, "datatype", "an input");
    if (!type) bad("input", tensor.name, "must have a field 'datatype'");
    const bool known = type->rfind("TYPE_", 0) != 0 && engine::parse_data_type(*type).has_value();
    if (!known) bad("input", tensor.name, "has the unknown datatype '" + *type + "'");
    tensor.type = *engine::parse_data_type(*type);
    tensor.shape = read_shape(input, tensor.name);
    const std::optional<object> parameters = parameters_of(input, "an input");
    refuse_shared_memory(parameters, tensor.name);
    const bool has_data = input["data"].error() == simdjson::SUCCESS;
    const bool has_bytes =
        parameters && (*parameters)["binary_data_size"].error() == simdjson::SUCCESS;
    if (has_data == has_bytes)
      bad("input", tensor.name,
          has_data ? "has both a field 'data' and a parameter 'binary_data_size'"
                   : "must have a field 'data' or a parameter 'binary_data_size'");
    if (has_bytes) {
      take_binary(*parameters, tensor);
    } else {
      array data;
      if (input["data"].get(data) != simdjson::SUCCESS)
        bad("the field 'data' of input", tensor.name, "must be an array");
      parsed_.storage.push_back(detail::read_json_data(data, json_.size(), tensor));
    }
    parsed_.request.inputs.push_back(std::move(tensor));
  }

  void check_new_name(const std::string& name) const {
    const auto& inputs = parsed_.request.inputs;
    if (inputs.size() == kMaxTensors) bad("the request", "", "has too many inputs");
    if (std::any_of(inputs.begin(), inputs.end(),
                    [&name](const auto& input) { return input.name == name; }))
      bad("input", name, "already exists in the request");
  }

  void take_binary(const object& parameters, engine::TensorView& tensor) {
    std::uint64_t size = 0;
    if (parameters["binary_data_size"].get(size) != simdjson::SUCCESS)
      bad("the parameter 'binary_data_size' of input", tensor.name,
          "must be a whole number from 0 up");
    if (size > rest_.size())
      fail(ErrorCode::InvalidArgument, "unexpected end of the request body: input '", tensor.name,
           "' needs ", size, " bytes, ", rest_.size(), " are left behind the JSON (is the header ",
           "Inference-Header-Content-Length right?)");
    tensor.data = std::as_bytes(std::span(rest_.data(), size));
    check_binary_size(tensor);
    rest_.remove_prefix(size);
  }

  void add_outputs(const element& value) {
    array outputs;
    if (value.get(outputs) != simdjson::SUCCESS) bad("the field", "outputs", "must be an array");
    for (const element entry : outputs) {
      object output;
      if (entry.get(output) != simdjson::SUCCESS) bad("every output", "", "must be an object");
      const std::optional<std::string> name = text_member(output, "name", "an output");
      if (!name) bad("every output", "", "must have a field 'name'");
      auto& names = parsed_.request.outputs;
      if (names.size() == kMaxTensors) bad("the request", "", "asks for too many outputs");
      if (std::find(names.begin(), names.end(), *name) != names.end())
        bad("output", *name, "is asked for twice");
      const std::optional<object> parameters = parameters_of(output, "an output");
      refuse_shared_memory(parameters, *name);
      element classes;
      if (parameters && (*parameters)["classification"].get(classes) == simdjson::SUCCESS)
        bad("the classification extension is not supported: output", *name, "asks for it");
      names.push_back(*name);
      parsed_.binary.push_back(
          flag_parameter(parameters, "binary_data").value_or(parsed_.all_binary));
    }
  }

  std::string_view json_, rest_;
  simdjson::dom::parser parser_;
  ParsedInfer parsed_;
};

}  // namespace

std::optional<std::size_t> infer_header_length(const HttpHead& head) {
  const std::string* const text = head.find(kInferHeaderLength);
  if (text == nullptr) return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || stop != end || value > kMaxHeaderLength)
    bad("the header Inference-Header-Content-Length", "",
        "must be a whole number of bytes, not '" + *text + "'");
  return value;
}

ParsedInfer parse_infer(std::string_view body, std::size_t json_length) {
  if (json_length > body.size())
    fail(ErrorCode::InvalidArgument, "the header Inference-Header-Content-Length says ",
         json_length, " bytes, but the body has ", body.size());
  return InferParser(body, json_length).parse();
}

ParsedInfer raw_infer(std::string_view body, const engine::ModelMetadata& model, bool batching) {
  if (model.inputs.size() != 1)
    fail(ErrorCode::InvalidArgument, "a raw request needs a model with 1 input, '", model.name,
         "' has ", model.inputs.size());
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
  check_binary_size(tensor);
  parsed.request.inputs.push_back(std::move(tensor));
  return parsed;
}

}  // namespace jetcal::server
