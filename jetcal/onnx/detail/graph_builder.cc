// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/detail/graph_builder.h"

#include <bit>
#include <utility>

namespace jetcal::onnx::detail {

using ::onnx::TensorProto;

// raw_data of the standard is little-endian.
static_assert(std::endian::native == std::endian::little);

GraphBuilder::GraphBuilder(std::string graph_name) { graph_.set_name(std::move(graph_name)); }

void GraphBuilder::describe(::onnx::ValueInfoProto* info, const std::string& name,
                            const std::vector<Dimension>& shape) {
  info->set_name(name);
  ::onnx::TypeProto::Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(TensorProto::FLOAT);
  for (const Dimension& dimension : shape) {
    ::onnx::TensorShapeProto::Dimension* out = tensor->mutable_shape()->add_dim();
    if (const auto* size = std::get_if<std::int64_t>(&dimension)) {
      out->set_dim_value(*size);
    } else {
      out->set_dim_param(std::get<std::string>(dimension));
    }
  }
}

Value GraphBuilder::input(const std::string& name, const std::vector<Dimension>& shape) {
  describe(graph_.add_input(), name, shape);
  return name;
}

void GraphBuilder::output(const Value& value, const std::vector<Dimension>& shape) {
  describe(graph_.add_output(), value, shape);
}

TensorProto* GraphBuilder::constant(const std::string& name, TensorProto::DataType type,
                                    const std::vector<std::int64_t>& shape) {
  TensorProto* tensor = graph_.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(type);
  for (const std::int64_t size : shape) tensor->add_dims(size);
  return tensor;
}

Value GraphBuilder::floats(const std::string& name, const std::vector<std::int64_t>& shape,
                           std::span<const float> values) {
  constant(name, TensorProto::FLOAT, shape)->set_raw_data(values.data(), values.size_bytes());
  return name;
}

Value GraphBuilder::int_list(const std::vector<std::int64_t>& values) {
  std::string name = "ints";
  for (const std::int64_t value : values) name += "_" + std::to_string(value);
  if (counts_[name]++ > 0) return name;
  constant(name, TensorProto::INT64, {static_cast<std::int64_t>(values.size())})
      ->set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
  return name;
}

Value GraphBuilder::int_scalar(std::int64_t value) {
  std::string name = "int_" + std::to_string(value);
  if (counts_[name]++ == 0)
    constant(name, TensorProto::INT64, {})->set_raw_data(&value, sizeof value);
  return name;
}

Value GraphBuilder::float_scalar(float value) {
  std::string name = "float_" + std::to_string(std::bit_cast<std::uint32_t>(value));
  if (counts_[name]++ == 0)
    constant(name, TensorProto::FLOAT, {})->set_raw_data(&value, sizeof value);
  return name;
}

Value GraphBuilder::double_scalar(double value) {
  std::string name = "double_" + std::to_string(std::bit_cast<std::uint64_t>(value));
  if (counts_[name]++ == 0)
    constant(name, TensorProto::DOUBLE, {})->set_raw_data(&value, sizeof value);
  return name;
}

Value GraphBuilder::fresh(const std::string& type) {
  return type + "_" + std::to_string(counts_["op " + type]++);
}

::onnx::NodeProto* GraphBuilder::add(const std::string& type, const std::vector<Value>& inputs,
                                     const std::vector<Attribute>& attributes) {
  ::onnx::NodeProto* node = graph_.add_node();
  node->set_op_type(type);
  for (const Value& input : inputs) node->add_input(input);
  for (const Attribute& attribute : attributes) {
    ::onnx::AttributeProto* out = node->add_attribute();
    out->set_name(attribute.name);
    if (const auto* number = std::get_if<std::int64_t>(&attribute.value)) {
      out->set_type(::onnx::AttributeProto::INT);
      out->set_i(*number);
    } else {
      out->set_type(::onnx::AttributeProto::INTS);
      for (const std::int64_t value : std::get<std::vector<std::int64_t>>(attribute.value))
        out->add_ints(value);
    }
  }
  return node;
}

Value GraphBuilder::named(const std::string& name, const std::string& type,
                          const std::vector<Value>& inputs,
                          const std::vector<Attribute>& attributes) {
  ::onnx::NodeProto* node = add(type, inputs, attributes);
  node->set_name(name);
  node->add_output(name);
  return name;
}

Value GraphBuilder::op(const std::string& type, const std::vector<Value>& inputs,
                       const std::vector<Attribute>& attributes) {
  return named(fresh(type), type, inputs, attributes);
}

std::pair<Value, Value> GraphBuilder::op2(const std::string& type, const std::vector<Value>& inputs,
                                          const std::vector<Attribute>& attributes) {
  const Value name = fresh(type);
  ::onnx::NodeProto* node = add(type, inputs, attributes);
  node->set_name(name);
  node->add_output(name + "_a");
  node->add_output(name + "_b");
  return {name + "_a", name + "_b"};
}

Value GraphBuilder::cast(const Value& value, TensorProto::DataType type) {
  return op("Cast", {value}, {{"to", std::int64_t{type}}});
}

Value GraphBuilder::reshape(const Value& value, const Value& shape) {
  return op("Reshape", {value, shape});
}

Value GraphBuilder::reshape(const Value& value, std::initializer_list<std::int64_t> shape) {
  return reshape(value, int_list(shape));
}

Value GraphBuilder::dense(const Value& rows, const std::string& name, std::int64_t in,
                          std::int64_t out, std::span<const float> weight,
                          std::span<const float> bias, bool relu) {
  std::vector<Value> inputs{rows, floats(name + ".weight", {out, in}, weight)};
  if (!bias.empty()) inputs.push_back(floats(name + ".bias", {out}, bias));
  const Value linear = op("Gemm", inputs, {{"transB", std::int64_t{1}}});
  return relu ? op("Relu", {linear}) : linear;
}

::onnx::ModelProto GraphBuilder::finish(int opset) {
  ::onnx::ModelProto model;
  model.set_ir_version(::onnx::IR_VERSION_2021_7_30);
  model.add_opset_import()->set_version(opset);
  *model.mutable_graph() = std::move(graph_);
  return model;
}

}  // namespace jetcal::onnx::detail
