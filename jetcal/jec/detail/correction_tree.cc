// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/correction_tree.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "jetcal/base/error.h"
#include "jetcal/jec/detail/hash_random.h"

namespace jetcal::jec::detail {

namespace {

constexpr int kConstantProgram = -1;
constexpr auto kBlock = static_cast<std::size_t>(Formula::kBlock);

// What the evaluation of one block shares.
struct Block {
  const CorrectionTree& tree;
  std::int64_t first_row;
  const std::int64_t* rows;  // positions of these rows in the block, for messages
  const double* const* columns;
  const std::int64_t* const* text_ids;
  TreeReport& report;
};

std::int64_t row_of(const Block& block, std::int64_t i) { return block.first_row + block.rows[i]; }

const std::string& input_name(const CorrectionTree& tree, int column) {
  return tree.number_inputs[static_cast<std::size_t>(column)];
}

[[noreturn]] void outside_axis(const Block& block, const Axis& axis, double x, std::int64_t i) {
  const double low = axis.edges.empty() ? axis.low : axis.edges.front();
  const double high = axis.edges.empty() ? axis.high : axis.edges.back();
  fail(ErrorCode::InvalidArgument, block.tree.source, ": ", input_name(block.tree, axis.input), " ",
       x, " of row ", row_of(block, i), " is outside of the bins from ", low, " to ", high);
}

int child_of_binning(const Block& block, const Node& node, std::int64_t i) {
  int index = 0;
  for (const Axis& axis : node.axes) {
    const double x = block.columns[axis.input][i];
    const int bin = axis.find(x, node.flow);
    if (bin < 0 || bin >= axis.num_bins) {
      if (node.flow == Flow::Error) outside_axis(block, axis, x, i);
      return node.fallback;
    }
    index += bin * axis.stride;
  }
  return node.children[static_cast<std::size_t>(index)];
}

[[noreturn]] void no_category(const Block& block, const Node& node, std::int64_t i) {
  if (node.by_text) {
    fail(ErrorCode::InvalidArgument, block.tree.source, ": the value of ",
         block.tree.text_inputs[static_cast<std::size_t>(node.input)], " in row ", row_of(block, i),
         " is none of its categories");
  }
  fail(ErrorCode::InvalidArgument, block.tree.source, ": ", input_name(block.tree, node.input), " ",
       block.columns[node.input][i], " of row ", row_of(block, i), " is none of its categories");
}

int child_of_category(const Block& block, const Node& node, std::int64_t i) {
  const std::int64_t key =
      node.by_text ? block.text_ids[node.input][i] : std::llround(block.columns[node.input][i]);
  const auto found = std::lower_bound(node.keys.begin(), node.keys.end(), key);
  if (found != node.keys.end() && *found == key)
    return node.children[static_cast<std::size_t>(found - node.keys.begin())];
  if (node.fallback < 0) no_category(block, node, i);
  return node.fallback;
}

// Walks down from `from` until a node that computes.
int route(const Block& block, int from, std::int64_t i) {
  while (block.tree.ends[static_cast<std::size_t>(from)].group < kConstantProgram) {
    const Node& node = block.tree.nodes[static_cast<std::size_t>(from)];
    if (node.kind == NodeKind::Binning) {
      from = child_of_binning(block, node, i);
    } else if (node.kind == NodeKind::Category) {
      from = child_of_category(block, node, i);
    } else {
      break;
    }
  }
  return from;
}

void evaluate_from(const Block& block, int root, std::int64_t n, double* out);

// Responses: CMSSW iterates x = pT / R(x) from the clamped pT until the step is below 1e-4 of it.
void invert(const Block& block, const Formula& formula, std::int64_t n,
            const std::uint32_t* offsets, double* scratch, double* out) {
  const CorrectionTree& tree = block.tree;
  const std::size_t columns = tree.number_inputs.size();
  std::vector<double> copies(columns * kBlock);
  std::vector<const double*> pointers(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    std::copy_n(block.columns[c], n, &copies[c * kBlock]);
    pointers[c] = &copies[c * kBlock];
  }
  for (std::size_t v = 0; v < tree.clamped_inputs.size(); ++v) {
    double* x = &copies[static_cast<std::size_t>(tree.clamped_inputs[v]) * kBlock];
    for (std::int64_t i = 0; i < n; ++i) {
      const double* range = &tree.params[offsets[i] + 2 * v];
      x[i] = std::max(range[0], std::min(range[1], x[i]));
    }
  }
  double* pt = &copies[static_cast<std::size_t>(tree.inverted_input) * kBlock];
  std::array<double, kBlock> start{}, response{};
  std::array<bool, kBlock> done{};
  std::copy_n(pt, n, start.begin());
  constexpr int kMaxSteps = 50;
  for (int step = 0; step < kMaxSteps; ++step) {
    formula.evaluate(n, pointers.data(), tree.params.data(), offsets, scratch, response.data());
    bool all_done = true;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      if (done[k]) continue;
      const double error = std::abs(pt[k] * response[k] - start[k]) / start[k];
      out[i] = 1 / response[k];
      pt[k] = start[k] / response[k];
      done[k] = error <= 1e-4;
      all_done = all_done && done[k];
    }
    if (all_done) return;
  }
}

void evaluate_leaves(const Block& block, int program, std::int64_t n, const int* leaves,
                     double* out) {
  const CorrectionTree& tree = block.tree;
  std::array<std::uint32_t, kBlock> offsets;
  for (std::int64_t i = 0; i < n; ++i)
    offsets[static_cast<std::size_t>(i)] = tree.ends[static_cast<std::size_t>(leaves[i])].params;
  if (program == kConstantProgram) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = tree.params[offsets[static_cast<std::size_t>(i)]];
    return;
  }
  const Formula& formula = tree.programs[static_cast<std::size_t>(program)];
  thread_local std::vector<double> scratch;
  if (scratch.size() < formula.scratch_size()) scratch.resize(formula.scratch_size());
  if (tree.inverted_input >= 0) {
    invert(block, formula, n, offsets.data(), scratch.data(), out);
    return;
  }
  formula.evaluate(n, block.columns, tree.params.data(), offsets.data(), scratch.data(), out);
}

void evaluate_transform(const Block& block, const Node& node, std::int64_t n, double* out) {
  std::array<double, kBlock> changed;
  evaluate_from(block, node.fallback, n, changed.data());
  if (node.rounded)
    for (std::int64_t i = 0; i < n; ++i)
      changed[static_cast<std::size_t>(i)] = std::round(changed[static_cast<std::size_t>(i)]);
  std::vector<const double*> columns(block.columns,
                                     block.columns + block.tree.number_inputs.size());
  columns[static_cast<std::size_t>(node.input)] = changed.data();
  Block inner = block;
  inner.columns = columns.data();
  evaluate_from(inner, node.children[0], n, out);
}

void evaluate_random(const Block& block, const Node& node, std::int64_t n, double* out) {
  std::vector<std::uint64_t> seed(node.inputs.size());
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < seed.size(); ++k) {
      const auto column = static_cast<std::size_t>(node.inputs[k]);
      const double x = block.columns[column][i];
      seed[k] = block.tree.is_integer(column) ? integer_bits(x) : real_bits(x);
    }
    out[i] = hashed_random(seed, node.distribution);
  }
}

void evaluate_group(const Block& block, int group, std::int64_t n, const int* leaves, double* out) {
  if (group >= kConstantProgram) {
    evaluate_leaves(block, group, n, leaves, out);
    return;
  }
  const Node& node = block.tree.nodes[static_cast<std::size_t>(leaves[0])];
  if (node.kind == NodeKind::Transform) {
    evaluate_transform(block, node, n, out);
  } else {
    evaluate_random(block, node, n, out);
  }
}

// Gathers the rows of `group`, evaluates them side by side and puts the results back.
void evaluate_part(const Block& block, int group, const std::vector<std::int64_t>& picked,
                   const int* leaves, double* out) {
  const auto n = static_cast<std::int64_t>(picked.size());
  const std::size_t numbers = block.tree.number_inputs.size();
  const std::size_t texts = block.tree.text_inputs.size();
  std::vector<double> values(numbers * picked.size());
  std::vector<std::int64_t> ids(texts * picked.size()), rows(picked.size());
  std::vector<const double*> columns(numbers);
  std::vector<const std::int64_t*> text_ids(texts);
  std::vector<int> part_leaves(picked.size());
  for (std::size_t c = 0; c < numbers; ++c) {
    double* to = &values[c * picked.size()];
    for (std::size_t i = 0; i < picked.size(); ++i) to[i] = block.columns[c][picked[i]];
    columns[c] = to;
  }
  for (std::size_t c = 0; c < texts; ++c) {
    std::int64_t* to = &ids[c * picked.size()];
    for (std::size_t i = 0; i < picked.size(); ++i) to[i] = block.text_ids[c][picked[i]];
    text_ids[c] = to;
  }
  for (std::size_t i = 0; i < picked.size(); ++i) {
    rows[i] = block.rows[picked[i]];
    part_leaves[i] = leaves[picked[i]];
  }
  const Block part{block.tree,     block.first_row, rows.data(),
                   columns.data(), text_ids.data(), block.report};
  std::array<double, kBlock> results;
  evaluate_group(part, group, n, part_leaves.data(), results.data());
  for (std::size_t i = 0; i < picked.size(); ++i) out[picked[i]] = results[i];
}

void evaluate_from(const Block& block, int root, std::int64_t n, double* out) {
  std::array<int, kBlock> leaves, groups;
  bool uniform = true;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    leaves[k] = route(block, root, i);
    groups[k] = block.tree.ends[static_cast<std::size_t>(leaves[k])].group;
    uniform = uniform && groups[k] == groups[0];
    if (groups[k] != kConstantProgram ||
        block.tree.nodes[static_cast<std::size_t>(leaves[k])].kind != NodeKind::Outside)
      continue;
    block.report.any_outside = true;
    block.report.outside[static_cast<std::size_t>(block.rows[i])] = true;
  }
  if (uniform) {
    evaluate_group(block, groups[0], n, leaves.data(), out);
    return;
  }
  std::array<bool, kBlock> done{};
  std::vector<std::int64_t> picked;
  for (std::int64_t i = 0; i < n; ++i) {
    if (done[static_cast<std::size_t>(i)]) continue;
    const int group = groups[static_cast<std::size_t>(i)];
    picked.clear();
    for (std::int64_t j = i; j < n; ++j) {
      if (groups[static_cast<std::size_t>(j)] != group) continue;
      picked.push_back(j);
      done[static_cast<std::size_t>(j)] = true;
    }
    evaluate_part(block, group, picked, leaves.data(), out);
  }
}

constexpr std::array<std::int64_t, kBlock> make_row_numbers() {
  std::array<std::int64_t, kBlock> rows{};
  for (std::size_t i = 0; i < kBlock; ++i) rows[i] = static_cast<std::int64_t>(i);
  return rows;
}
constexpr std::array<std::int64_t, kBlock> kRowNumbers = make_row_numbers();

}  // namespace

int Axis::find(double x, Flow flow) const noexcept {
  const double first = edges.empty() ? low : edges.front();
  const double last = edges.empty() ? high : edges.back();
  if (flow == Flow::Wrap && (!edges.empty() || x < first || x >= last)) {
    double turns = (x - first) / (last - first);
    turns -= std::floor(turns);
    if (std::isnan(turns)) return num_bins - 1;  // an infinite angle
    if (edges.empty()) return std::min(static_cast<int>(num_bins * turns), num_bins - 1);
    x = first + turns * (last - first);
    if (x >= last) return num_bins - 1;  // rounding
  }
  if (x < first) return flow == Flow::Clamp || flow == Flow::Wrap ? 0 : -1;
  // A level or transform before may have made a NaN: beyond the last edge, as in correctionlib.
  if (!(x < last)) return flow == Flow::Clamp || flow == Flow::Wrap ? num_bins - 1 : num_bins;
  if (edges.empty())
    return std::min(static_cast<int>(num_bins * ((x - low) / (high - low))), num_bins - 1);
  // The last edge that is not above x, by halving without branches: which half holds x is as good
  // as random, and a mispredicted branch costs more than the step.
  const double* edge = edges.data();
  for (std::size_t left = edges.size() - 1; left > 1;) {
    const std::size_t half = left / 2;
    edge += edge[half] <= x ? half : 0;
    left -= half;
  }
  return static_cast<int>(edge - edges.data());
}

void CorrectionTree::evaluate(std::int64_t n, std::int64_t first_row, const double* const* columns,
                              const std::int64_t* const* text_ids, double* out,
                              TreeReport& report) const {
  if (n == 0) return;
  evaluate_from(Block{*this, first_row, kRowNumbers.data(), columns, text_ids, report}, root, n,
                out);
}

void CorrectionTree::finish() {
  ends.resize(nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    ends[i].params = node.params;
    // Transforms and random nodes are each a group of their own.
    ends[i].group = node.kind == NodeKind::Leaf      ? node.program
                    : node.kind == NodeKind::Outside ? kConstantProgram
                                                     : kConstantProgram - 1 - static_cast<int>(i);
  }
}

bool CorrectionTree::is_integer(std::size_t column) const noexcept {
  return std::any_of(inputs.begin(), inputs.end(), [column](const TreeInput& input) {
    return input.type == TreeInput::Type::Integer &&
           static_cast<std::size_t>(input.column) == column;
  });
}

int CorrectionTree::add_leaf(int program, std::span<const double> values) {
  Node node;
  node.program = program;
  node.params = static_cast<std::uint32_t>(params.size());
  params.insert(params.end(), values.begin(), values.end());
  nodes.push_back(node);
  return static_cast<int>(nodes.size()) - 1;
}

int CorrectionTree::add_constant(double value) { return add_leaf(kConstantProgram, {&value, 1}); }

int CorrectionTree::add_outside(double value) {
  const int node = add_constant(value);
  nodes.back().kind = NodeKind::Outside;
  return node;
}

}  // namespace jetcal::jec::detail
