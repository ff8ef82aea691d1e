// SPDX-License-Identifier: Apache-2.0
// Builds an ONNX graph node by node; values are referred to by name.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "onnx.pb.h"

namespace jetcal::onnx::detail {

/// Names a value of the graph.
using Value = std::string;

/// A dimension: a size, or the name of one that varies.
using Dimension = std::variant<std::int64_t, std::string>;

struct Attribute {
  std::string name;
  std::variant<std::int64_t, std::vector<std::int64_t>> value;
};

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string graph_name);

  Value input(const std::string& name, const std::vector<Dimension>& shape);
  void output(const Value& value, const std::vector<Dimension>& shape);

  /// Stores a constant under its own name (weights) ...
  Value floats(const std::string& name, const std::vector<std::int64_t>& shape,
               std::span<const float> values);
  /// ... or shares it with every equal constant (shapes, limits). A scalar has no dimension.
  Value int_list(const std::vector<std::int64_t>& values);
  Value int_scalar(std::int64_t value);
  Value float_scalar(float value);
  Value double_scalar(double value);

  /// Adds a node with one output and returns it.
  Value op(const std::string& type, const std::vector<Value>& inputs,
           const std::vector<Attribute>& attributes = {});
  /// Adds a node with two outputs.
  std::pair<Value, Value> op2(const std::string& type, const std::vector<Value>& inputs,
                              const std::vector<Attribute>& attributes = {});
  /// Adds a node whose output gets a name of its own.
  Value named(const std::string& name, const std::string& type, const std::vector<Value>& inputs,
              const std::vector<Attribute>& attributes = {});

  /// Cast to an element type of the standard, e.g. TensorProto::DOUBLE.
  Value cast(const Value& value, ::onnx::TensorProto::DataType type);
  Value reshape(const Value& value, const Value& shape);
  Value reshape(const Value& value, std::initializer_list<std::int64_t> shape);
  /// Computes relu(rows W^T + b) or, with `relu` false, rows W^T + b; weight [out, in]. An empty
  /// bias means none.
  Value dense(const Value& rows, const std::string& name, std::int64_t in, std::int64_t out,
              std::span<const float> weight, std::span<const float> bias, bool relu);

  /// Moves the graph out into a model of the opset.
  ::onnx::ModelProto finish(int opset);

 private:
  ::onnx::NodeProto* add(const std::string& type, const std::vector<Value>& inputs,
                         const std::vector<Attribute>& attributes);
  Value fresh(const std::string& type);
  ::onnx::TensorProto* constant(const std::string& name, ::onnx::TensorProto::DataType type,
                                const std::vector<std::int64_t>& shape);
  static void describe(::onnx::ValueInfoProto* info, const std::string& name,
                       const std::vector<Dimension>& shape);

  ::onnx::GraphProto graph_;
  std::map<std::string, int> counts_;
};

}  // namespace jetcal::onnx::detail
