// SPDX-License-Identifier: Apache-2.0
// Parses formulas by recursive descent; each function below is one level of precedence.
#include <array>
#include <cctype>
#include <charconv>
#include <numbers>
#include <optional>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/jec/detail/formula_graph.h"

namespace jetcal::jec::detail {

namespace {

struct Function {
  std::string_view name;
  FormulaOp op;
};

// In TFormula log is the natural logarithm. A prefix std:: or TMath:: is taken off first.
constexpr std::array kFunctions{
    Function{"log", FormulaOp::Log},       Function{"Log", FormulaOp::Log},
    Function{"ln", FormulaOp::Log},        Function{"log10", FormulaOp::Log10},
    Function{"Log10", FormulaOp::Log10},   Function{"log2", FormulaOp::Log2},
    Function{"Log2", FormulaOp::Log2},     Function{"exp", FormulaOp::Exp},
    Function{"Exp", FormulaOp::Exp},       Function{"sqrt", FormulaOp::Sqrt},
    Function{"Sqrt", FormulaOp::Sqrt},     Function{"abs", FormulaOp::Abs},
    Function{"fabs", FormulaOp::Abs},      Function{"Abs", FormulaOp::Abs},
    Function{"sq", FormulaOp::Square},     Function{"Sq", FormulaOp::Square},
    Function{"sin", FormulaOp::Sin},       Function{"Sin", FormulaOp::Sin},
    Function{"cos", FormulaOp::Cos},       Function{"Cos", FormulaOp::Cos},
    Function{"tan", FormulaOp::Tan},       Function{"Tan", FormulaOp::Tan},
    Function{"asin", FormulaOp::Asin},     Function{"ASin", FormulaOp::Asin},
    Function{"acos", FormulaOp::Acos},     Function{"ACos", FormulaOp::Acos},
    Function{"atan", FormulaOp::Atan},     Function{"ATan", FormulaOp::Atan},
    Function{"sinh", FormulaOp::Sinh},     Function{"SinH", FormulaOp::Sinh},
    Function{"cosh", FormulaOp::Cosh},     Function{"CosH", FormulaOp::Cosh},
    Function{"tanh", FormulaOp::Tanh},     Function{"TanH", FormulaOp::Tanh},
    Function{"asinh", FormulaOp::Asinh},   Function{"ASinH", FormulaOp::Asinh},
    Function{"acosh", FormulaOp::Acosh},   Function{"ACosH", FormulaOp::Acosh},
    Function{"atanh", FormulaOp::Atanh},   Function{"ATanH", FormulaOp::Atanh},
    Function{"erf", FormulaOp::Erf},       Function{"Erf", FormulaOp::Erf},
    Function{"erfc", FormulaOp::Erfc},     Function{"Erfc", FormulaOp::Erfc},
    Function{"floor", FormulaOp::Floor},   Function{"Floor", FormulaOp::Floor},
    Function{"ceil", FormulaOp::Ceil},     Function{"Ceil", FormulaOp::Ceil},
    Function{"pow", FormulaOp::Power},     Function{"Power", FormulaOp::Power},
    Function{"min", FormulaOp::Min},       Function{"Min", FormulaOp::Min},
    Function{"max", FormulaOp::Max},       Function{"Max", FormulaOp::Max},
    Function{"atan2", FormulaOp::Atan2},   Function{"ATan2", FormulaOp::Atan2},
    Function{"hypot", FormulaOp::Hypot},   Function{"Hypot", FormulaOp::Hypot},
    Function{"Landau", FormulaOp::Landau}, Function{"landau", FormulaOp::Landau},
};

// Nesting that a hostile file could use to exhaust the stack.
constexpr int kMaxDepth = 200;

class Parser {
 public:
  Parser(const std::string& text, const FormulaBinding& binding, FormulaGraph& graph)
      : text_(text), binding_(binding), graph_(graph) {}

  int parse() {
    const int node = conditional();
    skip_space();
    if (at_ < text_.size()) unexpected();
    return node;
  }

 private:
  [[noreturn]] void error(std::size_t position, const std::string& what) const {
    fail(ErrorCode::InvalidArgument, binding_.source, ": ", what, " at position ", position + 1,
         " of the formula '", text_, "'");
  }
  [[noreturn]] void unexpected() {
    skip_space();
    if (at_ >= text_.size()) error(at_, "the formula ends too early");
    error(at_, "unexpected '" + std::string(word_at(at_)) + "'");
  }
  std::string_view word_at(std::size_t begin) const {
    std::size_t end = begin;
    while (end < text_.size()) {
      if (text_.compare(end, 2, "::") == 0) {
        end += 2;
      } else if (is_word(text_[end])) {
        ++end;
      } else {
        break;
      }
    }
    return std::string_view(text_).substr(begin, end > begin ? end - begin : 1);
  }
  static bool is_word(char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '_';
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  bool accept(std::string_view token) {
    skip_space();
    if (std::string_view(text_).substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) {
      skip_space();
      if (at_ >= text_.size()) error(at_, "a '" + std::string(token) + "' is missing");
      unexpected();
    }
  }

  int conditional() {
    if (++depth_ > kMaxDepth) error(at_, "nested too deeply");
    int node = any();
    if (accept("?")) {
      const int yes = conditional();
      expect(":");
      node = graph_.apply(FormulaOp::Select, node, yes, conditional());
    }
    --depth_;
    return node;
  }
  int any() {
    int node = all();
    while (accept("||")) node = graph_.apply(FormulaOp::Or, node, all());
    return node;
  }
  int all() {
    int node = equality();
    while (accept("&&")) node = graph_.apply(FormulaOp::And, node, equality());
    return node;
  }
  int equality() {
    int node = relation();
    while (true) {
      if (accept("==")) {
        node = graph_.apply(FormulaOp::Equal, node, relation());
      } else if (accept("!=")) {
        node = graph_.apply(FormulaOp::NotEqual, node, relation());
      } else {
        return node;
      }
    }
  }
  int relation() {
    int node = sum();
    while (true) {
      if (accept("<=")) {
        node = graph_.apply(FormulaOp::LessEqual, node, sum());
      } else if (accept(">=")) {
        node = graph_.apply(FormulaOp::GreaterEqual, node, sum());
      } else if (accept("<")) {
        node = graph_.apply(FormulaOp::Less, node, sum());
      } else if (accept(">")) {
        node = graph_.apply(FormulaOp::Greater, node, sum());
      } else {
        return node;
      }
    }
  }
  int sum() {
    int node = product();
    while (true) {
      if (accept("+")) {
        node = graph_.apply(FormulaOp::Add, node, product());
      } else if (accept("-")) {
        node = graph_.apply(FormulaOp::Subtract, node, product());
      } else {
        return node;
      }
    }
  }
  int product() {
    int node = factor();
    while (true) {
      if (accept("*")) {
        node = graph_.apply(FormulaOp::Multiply, node, factor());
      } else if (accept("/")) {
        node = graph_.apply(FormulaOp::Divide, node, factor());
      } else {
        return node;
      }
    }
  }
  // A sign stands before a power in ROOT and inside its base in correctionlib.
  int factor() { return binding_.dialect == Dialect::Root ? signed_value(true) : power(); }
  int signed_value(bool with_power) {
    if (++depth_ > kMaxDepth) error(at_, "nested too deeply");
    int node = 0;
    if (accept("-")) {
      node = graph_.apply(FormulaOp::Negate, signed_value(with_power));
    } else if (accept("+")) {
      node = signed_value(with_power);
    } else if (accept("!")) {
      node = graph_.apply(FormulaOp::Not, signed_value(with_power));
    } else {
      node = with_power ? power() : primary();
    }
    --depth_;
    return node;
  }
  int power() {
    if (++depth_ > kMaxDepth) error(at_, "nested too deeply");
    const bool root = binding_.dialect == Dialect::Root;
    int node = root ? primary() : signed_value(false);
    if (accept("^"))
      node = graph_.apply(FormulaOp::Power, node, root ? signed_value(true) : power());
    --depth_;
    return node;
  }

  int primary() {
    skip_space();
    if (at_ >= text_.size()) unexpected();
    const char first = text_[at_];
    if (first == '(') {
      ++at_;
      const int node = conditional();
      expect(")");
      return node;
    }
    if (first == '[') return parameter();
    if (std::isdigit(static_cast<unsigned char>(first)) != 0 || first == '.') return number();
    if (std::isalpha(static_cast<unsigned char>(first)) != 0) return name();
    unexpected();
  }

  int number() {
    double value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, code] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (code != std::errc()) error(at_, "not a number");
    at_ += static_cast<std::size_t>(end - begin);
    return graph_.constant(value);
  }

  int parameter() {
    const std::size_t begin = at_++;
    std::optional<int> index = index_after_bracket();
    if (!index) error(begin, "expected the number of a parameter as in [0]");
    return graph_.parameter(binding_.first_param + *index);
  }
  std::optional<int> index_after_bracket() {
    skip_space();
    int index = -1;
    const char* begin = text_.data() + at_;
    const auto [end, code] = std::from_chars(begin, text_.data() + text_.size(), index);
    at_ += static_cast<std::size_t>(end - begin);
    if (code != std::errc() || index < 0 || index > 9999 || !accept("]")) return std::nullopt;
    return index;
  }

  int variable(std::size_t begin, int index) {
    const int known = static_cast<int>(binding_.variables.size());
    if (index >= known) {
      error(begin, "variable '" + text_.substr(begin, at_ - begin) + "' needs " +
                       std::to_string(index + 1) + " variables, the file gives " +
                       std::to_string(known));
    }
    int node = graph_.variable(binding_.variables[static_cast<std::size_t>(index)]);
    if (binding_.clamp) {
      node = graph_.apply(FormulaOp::Min, node, graph_.parameter(2 * index + 1));
      node = graph_.apply(FormulaOp::Max, node, graph_.parameter(2 * index));
    }
    return node;
  }

  int name() {
    const std::size_t begin = at_;
    const std::string_view full = word_at(begin);
    std::string_view word = full;
    for (const std::string_view prefix : {"TMath::", "std::"}) {
      if (word.starts_with(prefix)) word.remove_prefix(prefix.size());
    }
    at_ += full.size();
    if (full == "x" && accept("[")) {  // x[1] is y
      const std::optional<int> index = index_after_bracket();
      if (!index) error(begin, "expected the number of a variable as in x[0]");
      return variable(begin, *index);
    }
    if (full.size() == 1) {
      const std::size_t index = std::string_view("xyzt").find(full[0]);
      if (index != std::string_view::npos) return variable(begin, static_cast<int>(index));
    }
    if (word == "Pi" || word == "pi") {
      if (accept("(")) expect(")");
      return graph_.constant(std::numbers::pi);
    }
    for (const Function& function : kFunctions) {
      if (function.name == word) return call(begin, function);
    }
    error(begin, "unknown word '" + std::string(full) + "'");
  }

  int call(std::size_t begin, const Function& function) {
    expect("(");
    std::vector<int> arguments{conditional()};
    while (accept(",")) arguments.push_back(conditional());
    expect(")");
    if (function.op == FormulaOp::Landau) return landau(begin, arguments);
    if (static_cast<int>(arguments.size()) != num_operands(function.op)) {
      error(begin, std::string(function.name) + " takes " +
                       std::to_string(num_operands(function.op)) + " arguments, not " +
                       std::to_string(arguments.size()));
    }
    return graph_.apply(function.op, arguments[0], arguments.size() > 1 ? arguments[1] : -1);
  }

  // TMath::Landau(x, location, scale), not divided by the scale.
  int landau(std::size_t begin, const std::vector<int>& arguments) {
    if (arguments.empty() || arguments.size() > 3)
      error(begin, "Landau takes 1 to 3 arguments, not " + std::to_string(arguments.size()));
    int node = arguments[0];
    if (arguments.size() > 1) node = graph_.apply(FormulaOp::Subtract, node, arguments[1]);
    if (arguments.size() > 2) node = graph_.apply(FormulaOp::Divide, node, arguments[2]);
    return graph_.apply(FormulaOp::Landau, node);
  }

  const std::string& text_;
  const FormulaBinding& binding_;
  FormulaGraph& graph_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

int parse_formula(const std::string& expression, const FormulaBinding& binding,
                  FormulaGraph& graph) {
  return Parser(expression, binding, graph).parse();
}

}  // namespace jetcal::jec::detail
