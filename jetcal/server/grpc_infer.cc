// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/grpc_infer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/server/detail/typed_contents.h"
#include "jetcal/server/detail/wire_reader.h"
#include "jetcal/server/output_placement.h"
#include "jetcal/server/service_state.h"

namespace jetcal::server {
namespace {

using detail::WireField;
using detail::WireReader;
using Kind = WireField::Kind;

constexpr std::size_t kMaxParts = 1024;

// Refuses what no request has so many of, before it takes many times its bytes.
void check_room(std::size_t count, const char* parts) {
  if (count == kMaxParts)
    fail(ErrorCode::InvalidArgument, "the request has too many ", parts, ": more than ", kMaxParts);
}

struct Parameter {
  enum class Type { None, Flag, Integer, Text, Number, Unsigned } type = Type::None;
  std::uint64_t value = 0;
  std::string_view text;
};

Parameter read_parameter(std::string_view bytes) {
  static constexpr std::array kTypes{Parameter::Type::None,    Parameter::Type::Flag,
                                     Parameter::Type::Integer, Parameter::Type::Text,
                                     Parameter::Type::Number,  Parameter::Type::Unsigned};
  Parameter parameter;
  WireReader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number >= kTypes.size()) continue;
    parameter = {kTypes[field->number], field->value, field->bytes};
  }
  return parameter;
}

using Parameters = std::vector<std::pair<std::string_view, Parameter>>;

void add_parameter(std::string_view entry, Parameters& parameters) {
  check_room(parameters.size(), "parameters");
  std::string_view key;
  Parameter parameter;
  WireReader reader(entry);
  while (const auto field = reader.next()) {
    if (field->number == 1) key = field->bytes;
    if (field->number == 2) parameter = read_parameter(field->bytes);
  }
  parameters.emplace_back(key, parameter);
}

const Parameter* find(const Parameters& parameters, std::string_view key) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [key](const auto& entry) { return entry.first == key; });
  return found == parameters.end() ? nullptr : &found->second;
}

std::uint64_t integer(const Parameters& parameters, std::string_view key, std::uint64_t fallback) {
  const Parameter* const found = find(parameters, key);
  if (found == nullptr) return fallback;
  if (found->type != Parameter::Type::Integer && found->type != Parameter::Type::Unsigned)
    fail(ErrorCode::InvalidArgument, "invalid value type for '", key,
         "' parameter, expected int64_param or uint64_param.");
  if (found->type == Parameter::Type::Integer && static_cast<std::int64_t>(found->value) < 0)
    fail(ErrorCode::InvalidArgument, "invalid value for '", key, "' parameter, it is negative");
  return found->value;
}

struct InputParts {
  engine::TensorView tensor;
  std::string_view datatype;
  std::optional<std::string_view> contents;
  Parameters parameters;
};

void add_size(std::uint64_t size, std::vector<std::int64_t>& shape) {
  check_room(shape.size(), "dimensions");
  shape.push_back(static_cast<std::int64_t>(size));
}

InputParts read_input(std::string_view bytes) {
  InputParts input;
  WireReader reader(bytes);
  while (const auto field = reader.next()) {
    switch (field->number) {
      case 1:
        input.tensor.name = field->bytes;
        break;
      case 2:
        input.datatype = field->bytes;
        break;
      case 3:
        if (field->kind == Kind::Varint) {
          add_size(field->value, input.tensor.shape);
        } else {
          for (WireReader sizes(field->bytes); !sizes.at_end();)
            add_size(sizes.varint(), input.tensor.shape);
        }
        break;
      case 4:
        add_parameter(field->bytes, input.parameters);
        break;
      case 5:
        input.contents = field->bytes;
        break;
      default:
        break;
    }
  }
  return input;
}

class GrpcInferParser {
 public:
  explicit GrpcInferParser(ServiceState* state) : state_(state) {}

  ParsedInfer parse(std::string_view message) {
    WireReader reader(message);
    while (const auto field = reader.next()) take(*field);
    read_parameters();
    for (InputParts& input : inputs_) add_input(input);
    for (const std::string_view output : outputs_) add_output(output);
    return std::move(parsed_);
  }

 private:
  void take(const WireField& field) {
    engine::InferRequest& request = parsed_.request;
    switch (field.number) {
      case 1:
        request.model = field.bytes;
        break;
      case 2:
        request.version = field.bytes;
        break;
      case 3:
        request.id = field.bytes;
        parsed_.has_id = !field.bytes.empty();
        break;
      case 4:
        add_parameter(field.bytes, parameters_);
        break;
      case 5:
        check_room(inputs_.size(), "inputs");
        inputs_.push_back(read_input(field.bytes));
        break;
      case 6:
        check_room(outputs_.size(), "outputs");
        outputs_.push_back(field.bytes);
        break;
      case 7:
        check_room(raw_.size(), "inputs");
        raw_.push_back(field.bytes);
        break;
      default:
        break;
    }
  }

  void read_parameters() {
    for (const auto& [key, parameter] : parameters_) {
      if (parameter.type == Parameter::Type::None)
        fail(ErrorCode::InvalidArgument, "invalid value type for '", key,
             "' parameter, expected int64_param, bool_param, or string_param.");
    }
    parsed_.request.priority = integer(parameters_, "priority", 0);
    parsed_.request.timeout_us = integer(parameters_, "timeout", 0);
    const Parameter* const flag = find(parameters_, "triton_enable_empty_final_response");
    if (flag == nullptr) return;
    if (flag->type != Parameter::Type::Flag)
      fail(ErrorCode::InvalidArgument,
           "invalid value type for 'triton_enable_empty_final_response' parameter, expected "
           "bool_param.");
  }

  // Looks for the memory that parameters name; nothing when they name none.
  std::optional<SharedBytes> memory_of(const Parameters& parameters, std::string& region,
                                       std::uint64_t& offset) const {
    const Parameter* const name = find(parameters, "shared_memory_region");
    if (name == nullptr) return std::nullopt;
    region = name->text;
    offset = integer(parameters, "shared_memory_offset", 0);
    const std::uint64_t size = integer(parameters, "shared_memory_byte_size", 0);
    if (state_ == nullptr)
      fail(ErrorCode::NotFound, "Unable to find shared memory region: '", region, "'");
    return state_->regions().find(region, offset, size);
  }

  void add_input(InputParts& input) {
    engine::TensorView& tensor = input.tensor;
    const std::string& model = parsed_.request.model;
    const bool known =
        !input.datatype.starts_with("TYPE_") && engine::parse_data_type(input.datatype).has_value();
    if (!known)
      fail(ErrorCode::InvalidArgument, "inference input '", tensor.name, "' data-type '",
           input.datatype, "' is invalid");
    tensor.type = *engine::parse_data_type(input.datatype);
    std::string region;
    std::uint64_t offset = 0;
    if (const auto memory = memory_of(input.parameters, region, offset)) {
      tensor.data = memory->bytes;
      parsed_.regions.push_back(*memory);
    } else if (!raw_.empty()) {
      if (input.contents)
        fail(ErrorCode::InvalidArgument,
             "contents field must not be specified when using raw_input_contents for '",
             tensor.name, "' for model '", model, "'");
      if (next_raw_ == raw_.size()) no_data(tensor.name);
      const std::string_view bytes = raw_[next_raw_++];
      tensor.data = std::as_bytes(std::span(bytes.data(), bytes.size()));
    } else {
      if (!input.contents) no_data(tensor.name);
      detail::read_typed_contents(*input.contents, model, tensor, parsed_.storage);
    }
    parsed_.request.inputs.push_back(std::move(tensor));
  }

  [[noreturn]] void no_data(const std::string& input) const {
    fail(ErrorCode::InvalidArgument, "unable to find data for input tensor '", input,
         "' for model '", parsed_.request.model, "' in request.");
  }

  void add_output(std::string_view bytes) {
    OutputPlan plan;
    Parameters parameters;
    WireReader reader(bytes);
    while (const auto field = reader.next()) {
      if (field->number == 1) plan.name = field->bytes;
      if (field->number == 2) add_parameter(field->bytes, parameters);
    }
    plan.classes = integer(parameters, "classification", 0);
    if (auto memory = memory_of(parameters, plan.region, plan.offset))
      plan.memory = *std::move(memory);
    parsed_.request.outputs.push_back(plan.name);
    parsed_.outputs.push_back(std::move(plan));
  }

  ServiceState* state_;
  ParsedInfer parsed_;
  Parameters parameters_;
  std::vector<InputParts> inputs_;
  std::vector<std::string_view> outputs_, raw_;
  std::size_t next_raw_ = 0;
};

// Appends protobuf fields to a string.
class WireWriter {
 public:
  static void varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80U; value >>= 7U) out += static_cast<char>(value | 0x80U);
    out += static_cast<char>(value);
  }
  static void head(std::string& out, std::uint32_t number, std::size_t size) {
    varint(out, number << 3U | 2U);
    varint(out, size);
  }
  static void text(std::string& out, std::uint32_t number, std::string_view value) {
    if (value.empty()) return;
    head(out, number, value.size());
    out += value;
  }
  static void flag_parameter(std::string& out, std::uint32_t number, std::string_view key) {
    std::string entry;
    text(entry, 1, key);
    entry += std::string("\x12\x02\x08\x01", 4);  // value { bool_param: true }
    text(out, number, entry);
  }
  static void text_parameter(std::string& out, std::uint32_t number, std::string_view key,
                             std::string_view value) {
    std::string parameter;
    text(parameter, 3, value);
    std::string entry;
    text(entry, 1, key);
    text(entry, 2, parameter);
    text(out, number, entry);
  }
  static void integer_parameter(std::string& out, std::uint32_t number, std::string_view key,
                                std::uint64_t value) {
    std::string parameter("\x10", 1);
    varint(parameter, value);
    std::string entry;
    text(entry, 1, key);
    text(entry, 2, parameter);
    text(out, number, entry);
  }
};

std::string output_head(const engine::Tensor& tensor, const OutputPlan& plan) {
  std::string out;
  WireWriter::text(out, 1, tensor.name);
  WireWriter::text(out, 2, engine::data_type_name(tensor.type));
  std::string shape;
  for (const std::int64_t size : tensor.shape)
    WireWriter::varint(shape, static_cast<std::uint64_t>(size));
  WireWriter::text(out, 3, shape);
  if (plan.region.empty()) return out;
  WireWriter::text_parameter(out, 4, "shared_memory_region", plan.region);
  if (plan.offset > 0) WireWriter::integer_parameter(out, 4, "shared_memory_offset", plan.offset);
  WireWriter::integer_parameter(out, 4, "shared_memory_byte_size", tensor.data.size());
  return out;
}

// What a reply's spans point to.
struct ReplyParts {
  engine::InferReply result;
  std::vector<std::string> heads;  // of raw contents
};

}  // namespace

ParsedInfer parse_grpc_infer(std::string_view message, ServiceState* state) {
  return GrpcInferParser(state).parse(message);
}

GrpcMessage make_grpc_reply(const ParsedInfer& parsed, engine::InferReply result,
                            GrpcReplyForm form) {
  // shared: the message views these tensors until it is framed
  const auto parts = std::make_shared<ReplyParts>();
  parts->result = std::move(result);
  const engine::InferReply& reply = parts->result;
  std::string out;
  WireWriter::text(out, 1, reply.model);
  WireWriter::text(out, 2, reply.version);
  WireWriter::text(out, 3, parsed.request.id);
  if (form == GrpcReplyForm::Stream)  // each request has one response, which is the last
    WireWriter::flag_parameter(out, 4, "triton_final_response");
  std::size_t raw_bytes = 0;
  for (const engine::Tensor& output : reply.outputs) {
    const OutputPlan plan = parsed.plan_of(output.name);
    const bool elsewhere = !plan.region.empty();
    if (elsewhere) place_in_memory(plan, output);
    WireWriter::text(out, 5, output_head(output, plan));
    // Contents are found by the place of their output, so one in shared memory has empty ones.
    std::string& head = parts->heads.emplace_back();
    WireWriter::head(head, 6, elsewhere ? 0 : output.data.size());
    raw_bytes += head.size() + (elsewhere ? 0 : output.data.size());
  }
  GrpcMessage message;
  if (form == GrpcReplyForm::Stream) WireWriter::head(message.head, 2, out.size() + raw_bytes);
  message.head += out;
  for (std::size_t i = 0; i < reply.outputs.size(); ++i) {
    message.tail.push_back(std::as_bytes(std::span(parts->heads[i])));
    if (parsed.plan_of(reply.outputs[i].name).region.empty())
      message.tail.emplace_back(reply.outputs[i].data);
  }
  message.owner = parts;
  return message;
}

GrpcMessage make_grpc_stream_error(std::string_view id, std::string_view text) {
  GrpcMessage message;
  WireWriter::text(message.head, 1, text);
  std::string response;
  WireWriter::text(response, 3, id);
  WireWriter::head(message.head, 2, response.size());
  message.head += response;
  return message;
}

}  // namespace jetcal::server
