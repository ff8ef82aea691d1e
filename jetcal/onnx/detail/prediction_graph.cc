// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/detail/prediction_graph.h"

#include <limits>
#include <string>
#include <vector>

#include "jetcal/models/head.h"

namespace jetcal::onnx::detail {
namespace {

using models::Head;
using models::PtEtaTable;
using ::onnx::TensorProto;

// Column `index` of rows [N, C] as [N, 1].
Value column(GraphBuilder& graph, const Value& rows, std::int64_t index) {
  return graph.op("Gather", {rows, graph.int_list({index})}, {{"axis", std::int64_t{1}}});
}

Value shifted_softplus(GraphBuilder& graph, const Value& x, double shift) {
  return graph.op("Softplus",
                  {graph.op("Sub", {x, graph.float_scalar(static_cast<float>(shift))})});
}

Value width(GraphBuilder& graph, const Value& x) {
  return graph.op("Add", {shifted_softplus(graph, x, models::kWidthShift),
                          graph.float_scalar(static_cast<float>(models::kLeastWidth))});
}

Value add_resolution(GraphBuilder& graph, Head head, const Value& outputs) {
  switch (head) {
    case Head::Quantiles: {
      // The outputs but the middle one are gaps.
      const Value gaps =
          graph.op("Gather", {outputs, graph.int_list({0, 1, 3, 4})}, {{"axis", std::int64_t{1}}});
      const Value sum = graph.op(
          "ReduceSum", {shifted_softplus(graph, gaps, models::kGapShift), graph.int_list({1})});
      return graph.op("Add", {graph.op("Mul", {sum, graph.float_scalar(0.5F)}),
                              graph.float_scalar(static_cast<float>(models::kLeastWidth))});
    }
    case Head::Gaussian:
      return width(graph, column(graph, outputs, 1));
    case Head::Laplace:
      return graph.op("Mul", {width(graph, column(graph, outputs, 1)),
                              graph.float_scalar(static_cast<float>(models::kLaplaceHalfWidth))});
    case Head::Mixture: {
      const Value more = shifted_softplus(graph, column(graph, outputs, 2), models::kWidthShift);
      const Value narrow = graph.op(
          "Add",
          {column(graph, outputs, 3), graph.float_scalar(static_cast<float>(models::kShareShift))});
      const Value wide_share = graph.op("Sigmoid", {graph.op("Neg", {narrow})});
      return graph.op(
          "Add", {width(graph, column(graph, outputs, 1)), graph.op("Mul", {more, wide_share})});
    }
    case Head::Value:
      break;
  }
  return {};
}

// PtEtaTable::at() for every jet: [N, 1].
Value add_table(GraphBuilder& graph, const std::string& name, const PtEtaTable& table,
                const Value& abs_eta, const Value& log_pt) {
  const std::int64_t bins = table.num_eta();
  const std::int64_t knots = table.num_knots();
  const auto row = [&table, knots](std::int64_t bin) { return table.values.data() + bin * knots; };
  // The value at the first knot, and the part of each interval below log_pt times its slope.
  std::vector<float> first;
  for (std::int64_t bin = 0; bin < bins; ++bin) first.push_back(row(bin)[0]);
  Value by_bin = graph.floats(name + ".first", {1, bins}, first);
  if (knots > 1) {
    std::vector<float> starts(table.knots.begin(), table.knots.end() - 1);
    std::vector<float> lengths;
    std::vector<float> slopes;  // [K - 1, E]
    for (std::int64_t k = 0; k + 1 < knots; ++k) {
      lengths.push_back(table.knots[k + 1] - table.knots[k]);
      for (std::int64_t bin = 0; bin < bins; ++bin)
        slopes.push_back((row(bin)[k + 1] - row(bin)[k]) / lengths.back());
    }
    const Value above =
        graph.op("Sub", {log_pt, graph.floats(name + ".knots", {1, knots - 1}, starts)});
    const Value below = graph.op("Min", {graph.op("Max", {above, graph.float_scalar(0)}),
                                         graph.floats(name + ".lengths", {1, knots - 1}, lengths)});
    by_bin = graph.op(
        "Add",
        {graph.op("MatMul", {below, graph.floats(name + ".slopes", {knots - 1, bins}, slopes)}),
         by_bin});
  }
  std::vector<float> low(1, -1.0F);
  low.insert(low.end(), table.eta_edges.begin(), table.eta_edges.end());
  std::vector<float> high(table.eta_edges);
  high.push_back(std::numeric_limits<float>::max());
  const Value from = graph.op("Less", {abs_eta, graph.floats(name + ".low", {1, bins}, low)});
  const Value to = graph.op("Less", {abs_eta, graph.floats(name + ".high", {1, bins}, high)});
  const Value inside =
      graph.cast(graph.op("And", {graph.op("Not", {from}), to}), TensorProto::FLOAT);
  return graph.op("ReduceSum", {graph.op("Mul", {by_bin, inside}), graph.int_list({1})});
}

}  // namespace

Predictions add_predictions(GraphBuilder& graph, const models::FoldedModel& network,
                            const Value& outputs, const Value& jet_features) {
  const Head head = network.config.head;
  Predictions made{outputs, {}};
  if (head != Head::Value) {
    made.y = column(graph, outputs, head == Head::Quantiles ? 2 : 0);
    made.resolution = add_resolution(graph, head, outputs);
  }
  if (network.skip_feature >= 0)
    made.y = graph.op("Add", {made.y, column(graph, jet_features, network.skip_feature)});
  const models::Calibration& calibration = network.calibration;
  if (calibration.empty()) return made;
  const Value abs_eta = graph.op("Abs", {column(graph, jet_features, 1)});
  const Value log_pt = graph.op("Add", {column(graph, jet_features, 0), made.y});
  if (!calibration.closure.empty()) {
    made.y = graph.op("Add",
                      {made.y, add_table(graph, "closure", calibration.closure, abs_eta, log_pt)});
  }
  if (!calibration.resolution.empty() && !made.resolution.empty()) {
    made.resolution = graph.op(
        "Mul",
        {made.resolution, add_table(graph, "resolution", calibration.resolution, abs_eta, log_pt)});
  }
  return made;
}

}  // namespace jetcal::onnx::detail
