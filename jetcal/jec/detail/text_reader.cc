// SPDX-License-Identifier: Apache-2.0
#include "jetcal/jec/detail/text_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::jec::detail {

namespace {

// The value CMSSW's JetCorrectionUncertainty gives outside of its bins.
constexpr double kOutsideUncertainty = -999;

struct Definition {
  int line = 0;
  std::vector<std::string> bins, variables;
  std::string formula, type, level;
};

struct Row {
  int line = 0;
  std::vector<double> low, high;  // of each bin variable
  std::vector<double> values;
};

// The part of the name that a user gives.
struct Selection {
  std::string section;
  std::size_t variation = 0;  // nominal, down, up, as in the columns of a scale factor
};

struct Line {
  int number;
  std::string_view text;
};

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    at = text.find_first_not_of(" \t\r", at);
    if (at == std::string_view::npos) return words;
    const std::size_t end = std::min(text.find_first_of(" \t\r", at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
}

class TextReader {
 public:
  TextReader(const CorrectionText& text, const std::string& selection)
      : file_(text.name), tree_(std::make_unique<CorrectionTree>()) {
    select(selection);
    read_lines(text.text);
  }

  std::unique_ptr<CorrectionTree> read() {
    tree_->source = file_;
    tree_->level = definition_.level;
    make_inputs();
    for (const Row& row : rows_) row_leaves_.push_back(make_row(row));
    outside_ = tree_->add_outside(is_uncertainty() ? kOutsideUncertainty : 1);
    std::vector<int> order(rows_.size());
    std::iota(order.begin(), order.end(), 0);
    tree_->root = make_bins(order, 0);
    tree_->finish();
    return std::move(tree_);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void error(int line, const Parts&... parts) const {
    fail(ErrorCode::InvalidArgument, file_, ", line ", line, ": ", parts...);
  }

  bool is_uncertainty() const { return definition_.formula == "\"\""; }
  bool is_scale_factor() const { return definition_.type == "ScaleFactor"; }

  void select(const std::string& name) {
    const std::size_t colon = name.find(':');
    std::string last = colon == std::string::npos ? name : name.substr(colon + 1);
    constexpr std::array<std::string_view, 3> kVariations{"nominal", "down", "up"};
    const auto* found =
        std::find(kVariations.begin(), kVariations.end(), last == "nom" ? "nominal" : last);
    if (found != kVariations.end()) {
      selection_.variation = static_cast<std::size_t>(found - kVariations.begin());
      selection_.section = colon == std::string::npos ? "" : name.substr(0, colon);
      return;
    }
    if (colon != std::string::npos) {
      fail(ErrorCode::InvalidArgument, "unknown variation '", last, "' in the name '", name,
           "', known are nominal, down and up");
    }
    selection_.section = name;
  }

  void read_lines(std::string_view text) {
    std::string section;
    std::vector<std::string> sections;
    bool defined = false;
    int number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      line = line.substr(0, line.find('#'));
      if (line.find('\0') != std::string_view::npos)
        error(number, "a zero byte, this is no text file");
      const std::vector<std::string> words = split_words(line);
      if (words.empty()) continue;
      if (words[0].front() == '[' && line.find('{') == std::string_view::npos) {
        const std::size_t open = line.find('['), close = line.find(']');
        if (close == std::string_view::npos) error(number, "the name of a section lacks its ']'");
        section = std::string(line.substr(open + 1, close - open - 1));
        sections.push_back(section);
        continue;
      }
      if (section != selection_.section) continue;
      if (line.find('{') != std::string_view::npos) {
        if (defined) error(number, "a second header; the first is in line ", definition_.line);
        read_definition({number, line});
        defined = true;
      } else {
        if (!defined) error(number, "a row before the header in braces");
        read_row(number, words);
      }
    }
    if (!defined) no_header(sections);
    if (rows_.empty()) fail(ErrorCode::InvalidArgument, file_, ": no rows after the header");
  }

  [[noreturn]] void no_header(const std::vector<std::string>& sections) const {
    if (sections.empty() && selection_.section.empty())
      fail(ErrorCode::InvalidArgument, file_, ": no header in braces, this is no correction file");
    std::string known;
    for (const std::string& name : sections) known += (known.empty() ? "" : ", ") + name;
    fail(ErrorCode::NotFound, file_, ": no section '", selection_.section, "', sections are ",
         known.empty() ? "none" : known);
  }

  void read_definition(const Line& line) {
    const std::size_t open = line.text.find('{'), close = line.text.rfind('}');
    if (close == std::string_view::npos || close < open)
      error(line.number, "the header lacks its closing brace");
    definition_.line = line.number;
    const std::vector<std::string> words =
        split_words(line.text.substr(open + 1, close - open - 1));
    std::size_t at = 0;
    definition_.bins = read_names(line.number, words, at, "bin variables");
    definition_.variables = read_names(line.number, words, at, "parameter variables");
    if (definition_.variables.size() > 4)
      error(line.number, "more than the four variables x, y, z and t");
    const auto is_type = [](const std::string& word) {
      return word == "Correction" || word == "Response" || word == "Resolution" ||
             word == "ScaleFactor" || word.starts_with("PAR");
    };
    for (; at < words.size() && !is_type(words[at]); ++at) definition_.formula += words[at];
    if (definition_.formula.empty()) error(line.number, "the header has no formula");
    if (at == words.size()) {
      error(line.number,
            "the header names no type: Correction, Response, Resolution or ScaleFactor");
    }
    definition_.type = words[at++];
    definition_.level = at < words.size() ? words[at] : definition_.type;
    if (definition_.bins.empty()) error(line.number, "the header names no bin variable");
  }

  std::vector<std::string> read_names(int line, const std::vector<std::string>& words,
                                      std::size_t& at, const char* what) const {
    const std::optional<double> count =
        at < words.size() ? parse_signed_number<double>(words[at]) : std::nullopt;
    if (!count || *count < 0 || *count > 8 || *count != std::floor(*count))
      error(line, "expected the number of ", what, " in the header, got '",
            at < words.size() ? words[at] : "", "'");
    ++at;
    std::vector<std::string> names;
    for (int i = 0; i < static_cast<int>(*count); ++i, ++at) {
      if (at >= words.size()) error(line, "the header ends before its ", what);
      names.push_back(words[at]);
    }
    return names;
  }

  void read_row(int line, const std::vector<std::string>& words) {
    std::vector<double> numbers;
    for (const std::string& word : words) {
      const std::optional<double> value = parse_signed_number<double>(word);
      if (!value) error(line, "'", word, "' is not a number");
      if (std::isnan(*value)) error(line, "a value is NaN");
      numbers.push_back(*value);
    }
    const std::size_t bins = definition_.bins.size();
    if (numbers.size() < 2 * bins + 1) error(line, "the row ends before its number of parameters");
    Row row;
    row.line = line;
    for (std::size_t i = 0; i < bins; ++i) {
      row.low.push_back(numbers[2 * i]);
      row.high.push_back(numbers[2 * i + 1]);
      if (row.low[i] >= row.high[i]) {
        error(line, "the bin of ", definition_.bins[i], " from ", row.low[i], " to ", row.high[i],
              " is empty");
      }
    }
    row.values.assign(numbers.begin() + static_cast<std::ptrdiff_t>(2 * bins + 1), numbers.end());
    if (numbers[2 * bins] != static_cast<double>(row.values.size())) {
      error(line, "the row says ", numbers[2 * bins], " parameters and has ", row.values.size());
    }
    rows_.push_back(std::move(row));
  }

  int input_of(const std::string& name) {
    for (const TreeInput& input : tree_->inputs)
      if (input.name == name) return input.column;
    tree_->inputs.push_back({name, TreeInput::Type::Real, static_cast<int>(tree_->inputs.size())});
    tree_->number_inputs.push_back(name);
    return tree_->inputs.back().column;
  }

  void make_inputs() {
    for (const std::string& name : definition_.bins) bin_inputs_.push_back(input_of(name));
    FormulaBinding binding;
    binding.source = file_ + ", line " + std::to_string(definition_.line);
    binding.first_param = static_cast<int>(2 * definition_.variables.size());
    binding.clamp = definition_.type != "Response";
    for (const std::string& name : definition_.variables)
      binding.variables.push_back(input_of(name));
    if (is_uncertainty()) {
      if (definition_.variables.size() != 1)
        error(definition_.line, "an uncertainty needs one variable");
      binding.first_param = 0;
      binding.clamp = false;
      tree_->programs.push_back(Formula::parse("[2]+[3]*(max([0],min([1],x))-[0])", binding));
      return;
    }
    std::string lower = definition_.formula;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    plain_numbers_ = lower == "none" || is_scale_factor();
    if (plain_numbers_) return;
    tree_->programs.push_back(Formula::parse(definition_.formula, binding));
    if (definition_.type == "Response") make_inversion(binding);
  }

  void make_inversion(const FormulaBinding& binding) {
    const auto pt = std::find(definition_.variables.begin(), definition_.variables.end(), "JetPt");
    if (pt == definition_.variables.end())
      error(definition_.line, "a response needs JetPt among its variables to be inverted");
    tree_->clamped_inputs = binding.variables;
    tree_->inverted_input = input_of("JetPt");
  }

  // Returns the node of a row's content.
  int make_row(const Row& row) {
    if (is_uncertainty()) return make_uncertainty(row);
    if (plain_numbers_) {
      const std::size_t index = selection_.variation + 2 * definition_.variables.size();
      if (index >= row.values.size()) {
        error(row.line, "the row has ", row.values.size(),
              " numbers, the chosen variation is number ", index + 1);
      }
      return tree_->add_constant(row.values[index]);
    }
    const auto needed = static_cast<std::size_t>(std::max(
        tree_->programs[0].num_params(), static_cast<int>(2 * definition_.variables.size())));
    if (row.values.size() < needed) {
      error(row.line, "the row has ", row.values.size(), " parameters, the formula needs ", needed,
            " with the ranges of the variables");
    }
    for (std::size_t i = 0; i < definition_.variables.size(); ++i) {
      if (row.values[2 * i] > row.values[2 * i + 1]) {
        error(row.line, "the range of ", definition_.variables[i], " from ", row.values[2 * i],
              " to ", row.values[2 * i + 1], " is upside down");
      }
    }
    return tree_->add_leaf(0, row.values);
  }

  // Points pT, up, down between which the uncertainty is linear, and constant beyond them.
  int make_uncertainty(const Row& row) {
    if (row.values.size() < 3 || row.values.size() % 3 != 0)
      error(row.line, "an uncertainty needs pT, up and down for every point");
    const std::size_t column = selection_.variation == 1 ? 2 : 1;
    Node node;
    node.kind = NodeKind::Binning;
    node.flow = Flow::Clamp;
    Axis axis;
    axis.input = input_of(definition_.variables[0]);
    const std::size_t points = row.values.size() / 3;
    for (std::size_t i = 0; i < points; ++i) {
      axis.edges.push_back(row.values[3 * i]);
      if (i > 0 && axis.edges[i] <= axis.edges[i - 1])
        error(row.line, "the points of ", definition_.variables[0], " do not ascend");
    }
    if (points == 1) return tree_->add_constant(row.values[column]);
    for (std::size_t i = 0; i + 1 < points; ++i) {
      const double low = row.values[3 * i], high = row.values[3 * i + 3];
      const double value = row.values[3 * i + column];
      const double slope = (row.values[3 * i + 3 + column] - value) / (high - low);
      node.children.push_back(tree_->add_leaf(0, std::array{low, high, value, slope}));
    }
    axis.num_bins = static_cast<int>(points) - 1;
    node.axes.push_back(std::move(axis));
    tree_->nodes.push_back(std::move(node));
    return static_cast<int>(tree_->nodes.size()) - 1;
  }

  // Makes nested bins of the rows, variable by variable; gaps lead outside.
  int make_bins(std::vector<int> rows, std::size_t depth) {
    if (depth == definition_.bins.size()) return row_leaves_[static_cast<std::size_t>(rows[0])];
    const auto low = [&](int row) { return rows_[static_cast<std::size_t>(row)].low[depth]; };
    const auto high = [&](int row) { return rows_[static_cast<std::size_t>(row)].high[depth]; };
    std::stable_sort(rows.begin(), rows.end(), [&](int a, int b) { return low(a) < low(b); });
    Node node;
    node.kind = NodeKind::Binning;
    node.flow = Flow::Default;
    node.fallback = outside_;
    Axis axis;
    axis.input = bin_inputs_[depth];
    for (std::size_t begin = 0; begin < rows.size();) {
      std::size_t end = begin + 1;
      while (end < rows.size() && low(rows[end]) == low(rows[begin])) ++end;
      check_bin(rows, begin, end, depth, axis);
      if (!axis.edges.empty() && axis.edges.back() < low(rows[begin]))
        node.children.push_back(outside_);
      if (axis.edges.empty() || axis.edges.back() < low(rows[begin]))
        axis.edges.push_back(low(rows[begin]));
      const auto first = rows.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last = rows.begin() + static_cast<std::ptrdiff_t>(end);
      node.children.push_back(make_bins({first, last}, depth + 1));
      axis.edges.push_back(high(rows[begin]));
      begin = end;
    }
    axis.num_bins = static_cast<int>(node.children.size());
    node.axes.push_back(std::move(axis));
    tree_->nodes.push_back(std::move(node));
    return static_cast<int>(tree_->nodes.size()) - 1;
  }

  // Rows [begin, end) share their lower edge; they must share the upper one, and not overlap the
  // bins before.
  void check_bin(const std::vector<int>& rows, std::size_t begin, std::size_t end,
                 std::size_t depth, const Axis& axis) const {
    const Row& first = rows_[static_cast<std::size_t>(rows[begin])];
    const std::string& name = definition_.bins[depth];
    if (!axis.edges.empty() && first.low[depth] < axis.edges.back()) {
      error(first.line, "the bin of ", name, " from ", first.low[depth],
            " overlaps the one that ends at ", axis.edges.back());
    }
    for (std::size_t i = begin + 1; i < end; ++i) {
      const Row& row = rows_[static_cast<std::size_t>(rows[i])];
      if (row.high[depth] != first.high[depth])
        error(row.line, "the bin of ", name, " overlaps the one of line ", first.line);
      if (depth + 1 == definition_.bins.size())
        error(row.line, "the same bins as in line ", first.line);
    }
  }

  std::string file_;
  Selection selection_;
  Definition definition_;
  std::vector<Row> rows_;
  std::unique_ptr<CorrectionTree> tree_;
  std::vector<int> bin_inputs_, row_leaves_;
  bool plain_numbers_ = false;  // no formula
  int outside_ = -1;
};

// One walk over the lines finds the sections; the first definition of each describes it.
std::vector<CorrectionEntry> sections_of(const CorrectionText& text) {
  std::vector<CorrectionEntry> entries;
  std::string section;
  std::string_view rest = text.text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    line = line.substr(0, line.find('#'));
    const std::size_t open = line.find('{'), close = line.rfind('}');
    if (open == std::string_view::npos) {
      const std::size_t left = line.find('['), right = line.find(']');
      if (left != std::string_view::npos && right != std::string_view::npos && left < right)
        section = std::string(line.substr(left + 1, right - left - 1));
    } else if (close != std::string_view::npos && open < close) {
      CorrectionEntry entry;
      entry.name = section;
      entry.kind = "text";
      entry.description = std::string(line.substr(open, close - open + 1));
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

}  // namespace

std::vector<CorrectionEntry> list_sections(const CorrectionText& text) {
  std::vector<CorrectionEntry> entries = sections_of(text);
  if (entries.empty()) {
    fail(ErrorCode::InvalidArgument, text.name,
         ": no header in braces, this is no correction file");
  }
  for (CorrectionEntry& entry : entries) {
    const std::unique_ptr<CorrectionTree> tree = read_text(text, entry.name);
    for (const std::string& name : tree->number_inputs) entry.inputs.push_back({name, "real"});
  }
  return entries;
}

std::unique_ptr<CorrectionTree> read_text(const CorrectionText& text,
                                          const std::string& selection) {
  return TextReader(text, selection).read();
}

}  // namespace jetcal::jec::detail
