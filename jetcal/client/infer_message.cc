// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/infer_message.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/client/detail/bounded_json.h"
#include "jetcal/client/detail/json_data.h"

namespace jetcal::client {
namespace {

using nlohmann::ordered_json;

void check_size(const engine::Tensor& tensor) {
  const auto count = engine::element_count(tensor.shape);
  const std::size_t size = engine::data_type_size(tensor.type);
  const bool fits =
      count && (size == 0 || static_cast<std::size_t>(*count) * size == tensor.data.size());
  if (!fits)
    fail(ErrorCode::InvalidArgument, "the input '", tensor.name, "' has ", tensor.data.size(),
         " bytes, which do not fill the shape ", engine::shape_text(tensor.shape), " of ",
         engine::data_type_name(tensor.type));
}

ordered_json parameters_of(const InferRequest& request) {
  ordered_json parameters = ordered_json::object();
  if (request.priority > 0) parameters["priority"] = request.priority;
  if (request.timeout_us > 0) parameters["timeout"] = request.timeout_us;
  if (request.outputs.empty())
    parameters["binary_data_output"] = request.coding == TensorCoding::Binary;
  return parameters;
}

[[noreturn]] void wrong(const std::string& what) {
  fail(ErrorCode::DataLoss, "the reply is not what the protocol says: ", what);
}

std::string text_at(const ordered_json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// Reads one output; `rest` is what is left of the binary part.
engine::Tensor read_output(const ordered_json& output, std::string_view& rest) {
  if (!output.is_object() || text_at(output, "name").empty()) wrong("an output has no name");
  engine::Tensor tensor;
  tensor.name = text_at(output, "name");
  const auto type = engine::parse_data_type(text_at(output, "datatype"));
  if (!type) wrong("output '" + tensor.name + "' has no known datatype");
  tensor.type = *type;
  const auto shape = output.find("shape");
  if (shape == output.end() || !shape->is_array())
    wrong("output '" + tensor.name + "' has no shape");
  for (const ordered_json& size : *shape) {
    if (!size.is_number_integer()) wrong("output '" + tensor.name + "' has an odd shape");
    tensor.shape.push_back(size.get<std::int64_t>());
  }
  const auto count = engine::element_count(tensor.shape);
  if (!count) wrong("output '" + tensor.name + "' has an odd shape");
  const auto parameters = output.find("parameters");
  const bool binary = parameters != output.end() && parameters->is_object() &&
                      parameters->contains("binary_data_size");
  if (!binary) {
    if (!output.contains("data")) wrong("output '" + tensor.name + "' has no data");
    tensor.data = detail::bytes_of_json(output["data"], tensor.type, *count, tensor.name);
    return tensor;
  }
  const ordered_json& size = (*parameters)["binary_data_size"];
  if (!size.is_number_unsigned() || size.get<std::size_t>() > rest.size())
    wrong("it ends inside output '" + tensor.name + "'");
  const auto bytes = size.get<std::size_t>();
  const std::size_t element = engine::data_type_size(tensor.type);
  if (element != 0 && static_cast<std::size_t>(*count) * element != bytes)
    wrong("output '" + tensor.name + "' has " + std::to_string(bytes) +
          " bytes, which do not fill its shape " + engine::shape_text(tensor.shape));
  const auto* const data = reinterpret_cast<const std::byte*>(rest.data());
  tensor.data.assign(data, data + bytes);
  rest.remove_prefix(bytes);
  return tensor;
}

[[noreturn]] void bad(const std::string& what) {
  fail(ErrorCode::InvalidArgument, "this is no infer request: ", what);
}

engine::Tensor read_input(const ordered_json& input) {
  if (!input.is_object() || text_at(input, "name").empty()) bad("an input has no name");
  engine::Tensor tensor;
  tensor.name = text_at(input, "name");
  const auto type = engine::parse_data_type(text_at(input, "datatype"));
  if (!type) bad("input '" + tensor.name + "' has no known datatype");
  tensor.type = *type;
  const ordered_json shape = input.value("shape", ordered_json());
  if (!shape.is_array()) bad("input '" + tensor.name + "' has no shape");
  for (const ordered_json& size : shape) {
    if (!size.is_number_integer()) bad("input '" + tensor.name + "' has an odd shape");
    tensor.shape.push_back(size.get<std::int64_t>());
  }
  const auto count = engine::element_count(tensor.shape);
  if (!count || !input.contains("data")) bad("input '" + tensor.name + "' has no data");
  try {
    tensor.data = detail::bytes_of_json(input["data"], tensor.type, *count, tensor.name);
  } catch (const Error& error) {
    bad(error.what());
  }
  return tensor;
}

}  // namespace

InferRequest parse_request(std::string_view json) {
  const ordered_json document = detail::parse_json(json);
  if (!document.is_object()) bad("it is no JSON object");
  const ordered_json inputs = document.value("inputs", ordered_json());
  if (!inputs.is_array() || inputs.empty()) bad("it has no inputs");
  InferRequest request;
  request.id = text_at(document, "id");
  for (const ordered_json& input : inputs) request.inputs.push_back(read_input(input));
  for (const ordered_json& output : document.value("outputs", ordered_json::array())) {
    if (!output.is_object() || text_at(output, "name").empty()) bad("an output has no name");
    request.outputs.push_back(text_at(output, "name"));
  }
  const ordered_json parameters = document.value("parameters", ordered_json::object());
  const auto number = [&parameters](const char* name) {
    const auto found = parameters.find(name);
    if (found == parameters.end()) return std::uint64_t{0};
    if (!found->is_number_unsigned()) bad(std::string(name) + " is no number");
    return found->get<std::uint64_t>();
  };
  if (!parameters.is_object()) bad("its parameters are no object");
  request.priority = number("priority");
  request.timeout_us = number("timeout");
  return request;
}

ordered_json to_json(const InferReply& reply) {
  ordered_json document = {{"model_name", reply.model}, {"model_version", reply.version}};
  if (!reply.id.empty()) document["id"] = reply.id;
  document["outputs"] = ordered_json::array();
  for (const engine::Tensor& tensor : reply.outputs)
    document["outputs"].push_back({{"name", tensor.name},
                                   {"datatype", engine::data_type_name(tensor.type)},
                                   {"shape", tensor.shape},
                                   {"data", detail::json_of_bytes(tensor, true)}});
  return document;
}

EncodedRequest encode(const InferRequest& request) {
  const bool binary = request.coding == TensorCoding::Binary;
  ordered_json document = ordered_json::object();
  if (!request.id.empty()) document["id"] = request.id;
  if (ordered_json parameters = parameters_of(request); !parameters.empty())
    document["parameters"] = std::move(parameters);
  document["inputs"] = ordered_json::array();
  std::size_t total = 0;
  for (const engine::Tensor& tensor : request.inputs) {
    check_size(tensor);
    ordered_json input = {{"name", tensor.name},
                          {"shape", tensor.shape},
                          {"datatype", engine::data_type_name(tensor.type)}};
    if (binary) {
      input["parameters"] = {{"binary_data_size", tensor.data.size()}};
      total += tensor.data.size();
    } else {
      input["data"] = detail::json_of_bytes(tensor);
    }
    document["inputs"].push_back(std::move(input));
  }
  for (const std::string& name : request.outputs)
    document["outputs"].push_back({{"name", name}, {"parameters", {{"binary_data", binary}}}});
  EncodedRequest encoded{document.dump(), 0};
  encoded.json_length = encoded.body.size();
  if (!binary) return encoded;
  encoded.body.reserve(encoded.json_length + total);
  for (const engine::Tensor& tensor : request.inputs)
    encoded.body.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
  return encoded;
}

const engine::Tensor& InferReply::output(std::string_view name) const {
  for (const engine::Tensor& tensor : outputs) {
    if (tensor.name == name) return tensor;
  }
  wrong("it has no output '" + std::string(name) + "'");
}

void InferReply::copy(std::string_view name, std::span<float> values) const {
  const engine::Tensor& tensor = output(name);
  if (tensor.type != engine::DataType::Fp32 || tensor.data.size() != values.size_bytes())
    wrong("output '" + std::string(name) + "' holds " + std::to_string(tensor.data.size()) +
          " bytes of " + std::string(engine::data_type_name(tensor.type)) + ", expected " +
          std::to_string(values.size_bytes()) + " of FP32");
  if (!values.empty()) std::memcpy(values.data(), tensor.data.data(), values.size_bytes());
}

InferReply decode(std::string_view body, std::optional<std::size_t> json_length) {
  const std::size_t length = json_length.value_or(body.size());
  if (length > body.size()) wrong("it is shorter than its header says");
  const ordered_json document = detail::parse_json(body.substr(0, length));
  if (!document.is_object()) wrong("its JSON cannot be read");
  InferReply reply{text_at(document, "model_name"),
                   text_at(document, "model_version"),
                   text_at(document, "id"),
                   {}};
  std::string_view rest = body.substr(length);
  const auto outputs = document.find("outputs");
  if (outputs == document.end() || !outputs->is_array()) wrong("it has no outputs");
  for (const ordered_json& output : *outputs) reply.outputs.push_back(read_output(output, rest));
  if (!rest.empty()) wrong(std::to_string(rest.size()) + " bytes belong to no output");
  return reply;
}

}  // namespace jetcal::client
