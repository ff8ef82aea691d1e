// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/expression.h"

#include <muParser.h>

#include <algorithm>
#include <cctype>
#include <cfenv>
#include <cmath>
#include <deque>
#include <limits>
#include <numbers>

#include "jetcal/base/error.h"

namespace jetcal::data {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The functions of muParser that lose NaN, mean something else than in C, or are missing there.
double natural_log(double x) { return std::log(x); }
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double logical_not(double x) { return std::isnan(x) ? kNaN : x == 0; }
double clip(double x, double low, double high) {
  return std::isnan(x) ? kNaN : std::min(std::max(x, low), high);
}
double delta_phi(double a, double b) { return std::remainder(a - b, 2 * std::numbers::pi); }
double smallest(const double* values, int count) {
  double result = values[0];
  for (int i = 1; i < count; ++i)
    result = std::isnan(values[i]) || values[i] < result ? values[i] : result;
  return result;
}
double largest(const double* values, int count) {
  double result = values[0];
  for (int i = 1; i < count; ++i)
    result = std::isnan(values[i]) || values[i] > result ? values[i] : result;
  return result;
}

// Bits exist of integers only; beyond 2^53 a double no longer holds every one.
bool has_bits(double x) { return std::abs(x) <= 0x1.0p53 && x == std::trunc(x); }
double bit_and(double a, double b) {
  if (!has_bits(a) || !has_bits(b)) return kNaN;
  return static_cast<double>(static_cast<std::int64_t>(a) & static_cast<std::int64_t>(b));
}
double bit_or(double a, double b) {
  if (!has_bits(a) || !has_bits(b)) return kNaN;
  return static_cast<double>(static_cast<std::int64_t>(a) | static_cast<std::int64_t>(b));
}

void define_language(mu::Parser& parser) {
  using Unary = double (*)(double);
  using Binary = double (*)(double, double);
  const auto unary = [&parser](const char* name, Unary f) { parser.DefineFun(name, f); };
  const auto binary = [&parser](const char* name, Binary f) { parser.DefineFun(name, f); };
  unary("log", natural_log);
  unary("sign", sign);
  unary("floor", [](double x) { return std::floor(x); });
  unary("ceil", [](double x) { return std::ceil(x); });
  unary("round", [](double x) { return std::round(x); });
  unary("trunc", [](double x) { return std::trunc(x); });
  binary("pow", [](double x, double y) { return std::pow(x, y); });
  binary("fmod", [](double x, double y) { return std::fmod(x, y); });
  binary("hypot", [](double x, double y) { return std::hypot(x, y); });
  binary("delta_phi", delta_phi);
  parser.DefineFun("clip", clip);
  parser.DefineFun("min", smallest);
  parser.DefineFun("max", largest);
  parser.DefineInfixOprt("!", logical_not);
  // Between && and the comparisons, as in C.
  parser.DefineOprt("&", bit_and, mu::prCMP - 1);
  parser.DefineOprt("|", bit_or, mu::prCMP - 1);
  parser.DefineConst("pi", std::numbers::pi);
  parser.DefineConst("true", 1);
  parser.DefineConst("false", 0);
}

// Finds what the parser would take in another sense than the writer's.
class Reviewer {
 public:
  Reviewer(const std::string& text, const std::string& field) : text_(text), field_(field) {}

  void review() {
    levels_.assign(1, {});
    for (std::size_t at = 0; at < text_.size(); ++at) at += step(at);
    if (levels_.size() > 1) fail_at(text_.size(), "a parenthesis is not closed");
  }

 private:
  // What one pair of parentheses holds so far.
  struct Level {
    int comparisons = 0;  // since the last && || ? : ,
    bool any_comparison = false, bits = false;
  };

  // Returns how many characters more than one it has dealt with.
  std::size_t step(std::size_t at) {
    const char c = text_[at];
    const char next = at + 1 < text_.size() ? text_[at + 1] : '\0';
    const bool doubled = c == next && (c == '&' || c == '|' || c == '=' || c == '*');
    if (c == '"' || c == '\'') fail_at(at, "texts have no place in a formula of numbers");
    if (c == '(') levels_.emplace_back();
    if (c == ')') close(at);
    if (doubled && c == '*') fail_at(at, "write ^ for powers, not **");
    if (doubled && c != '=') return separate(1);
    if (c == '<' || c == '>' || c == '=' || c == '!') return compare(at, c, next);
    if (c == '&' || c == '|') return bits(at);
    if (c == '~') fail_at(at, "write ! for not");
    if (c == '?' || c == ':' || c == ',') return separate(0);
    return 0;
  }

  std::size_t compare(std::size_t at, char c, char next) {
    if (c == '!' && next != '=') return 0;
    if (c == '=' && next != '=') fail_at(at, "a single = would assign, write == to compare");
    if (++levels_.back().comparisons > 1)
      fail_at(at, "comparisons cannot be chained, write a < b && b < c");
    levels_.back().any_comparison = true;
    check_bits(at);
    return next == '=' ? 1 : 0;
  }

  std::size_t bits(std::size_t at) {
    levels_.back().bits = true;
    check_bits(at);
    return 0;
  }

  // Python reads a & b > c as (a & b) > c, C as a & (b > c).
  void check_bits(std::size_t at) const {
    if (levels_.back().bits && levels_.back().any_comparison)
      fail_at(at, "put comparisons beside & or | in parentheses, or write && and ||");
  }

  std::size_t separate(std::size_t more) {
    levels_.back().comparisons = 0;
    return more;
  }

  void close(std::size_t at) {
    if (levels_.size() == 1) fail_at(at, "a parenthesis is closed that was not opened");
    levels_.pop_back();
  }

  [[noreturn]] void fail_at(std::size_t at, const char* what) const {
    fail(ErrorCode::InvalidArgument, field_, ": ", what, ", at character ", at + 1, " of '", text_,
         "'");
  }

  const std::string& text_;
  const std::string& field_;
  std::vector<Level> levels_;
};

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

struct Expression::State {
  std::string text, field;
  mu::Parser parser;
  std::vector<std::string> names;
  std::deque<double> slots;  // one for each name; the parser keeps their addresses

  // A comparison hides that one of its sides is no number; the processor remembers it.
  double evaluate_finite() {
    constexpr int kNoNumber = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW;
    std::feclearexcept(kNoNumber);
    const double result = parser.Eval();
    return std::fetestexcept(kNoNumber) == 0 || !std::isfinite(result) ? result : kNaN;
  }

  // Called by the parser for each name that it does not know.
  static double* make_slot(const char* name, void* self) {
    auto* const state = static_cast<State*>(self);
    state->names.emplace_back(name);
    return &state->slots.emplace_back(1.0);
  }

  [[noreturn]] void fail_parse(const mu::Parser::exception_type& error) const {
    const auto at = static_cast<std::size_t>(std::max(error.GetPos(), 0));
    // A name in front of a parenthesis was meant as a function.
    std::size_t open = std::min(at, text.size());
    while (open > 0 && text[open] != '(') --open;
    std::size_t begin = open;
    while (begin > 0 && is_name_character(text[begin - 1])) --begin;
    const std::string name = text.substr(begin, open - begin);
    const bool unknown_function =
        std::find(names.begin(), names.end(), name) != names.end() && open < text.size();
    if (unknown_function)
      fail(ErrorCode::InvalidArgument, field, ": unknown function '", name, "' in '", text, "'");
    fail(ErrorCode::InvalidArgument, field, ": cannot understand '", text, "': ", error.GetMsg());
  }
};

Expression::Expression(std::string text, std::string field) : state_(std::make_unique<State>()) {
  State& own = *state_;
  own.text = std::move(text);
  own.field = std::move(field);
  if (std::all_of(own.text.begin(), own.text.end(),
                  [](unsigned char c) { return std::isspace(c) != 0; }))
    fail(ErrorCode::InvalidArgument, own.field, ": the expression is empty");
  Reviewer(own.text, own.field).review();
  try {
    define_language(own.parser);
    own.parser.SetVarFactory(State::make_slot, &own);
    own.parser.SetExpr(own.text);
    own.parser.Eval();
  } catch (const mu::Parser::exception_type& error) {
    own.fail_parse(error);
  }
  if (own.parser.GetNumResults() != 1) {
    fail(ErrorCode::InvalidArgument, own.field, ": '", own.text,
         "' is a list of expressions, one is needed");
  }
}

Expression::~Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;

const std::string& Expression::text() const noexcept { return state_->text; }
const std::string& Expression::field() const noexcept { return state_->field; }
const std::vector<std::string>& Expression::names() const noexcept { return state_->names; }

void Expression::evaluate(std::span<const std::span<const double>> columns, std::span<double> out) {
  State& own = *state_;
  JETCAL_DCHECK(columns.size() == own.names.size());
  try {
    for (std::size_t row = 0; row < out.size(); ++row) {
      bool finite = true;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        own.slots[i] = columns[i][row];
        finite = finite && std::isfinite(own.slots[i]);
      }
      out[row] = finite ? own.evaluate_finite() : kNaN;
    }
  } catch (const mu::Parser::exception_type& error) {
    own.fail_parse(error);
  }
}

}  // namespace jetcal::data
