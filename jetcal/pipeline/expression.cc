// SPDX-License-Identifier: Apache-2.0
// Placeholders of words, and conditions.
#include <cctype>
#include <cstdlib>

#include "jetcal/pipeline/graph.h"

namespace jetcal::pipeline {
namespace {

bool is_name(std::string_view text) {
  if (text.empty()) return false;
  for (const char letter : text) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && letter != '_' && letter != '-')
      return false;
  }
  return true;
}

// Reads what stands between ${ and }.
Fragment parse_placeholder(const std::string& inside, const std::string& source, Position at) {
  using Kind = Fragment::Kind;
  if (inside == "item") return {Kind::Item, ""};
  if (inside == "work") return {Kind::Work, ""};
  const std::size_t dot = inside.find('.');
  const std::string group = inside.substr(0, dot);
  const std::string name = dot == std::string::npos ? "" : inside.substr(dot + 1);
  if (is_name(name)) {
    if (group == "parameters") return {Kind::Parameter, name};
    if (group == "inputs") return {Kind::Input, name};
    if (group == "outputs") return {Kind::Output, name};
    if (group == "item") return {Kind::Item, name};
    if (group == "resources" && (name == "cores" || name == "memory" || name == "gpus"))
      return {Kind::Resource, name};
    if (group == "service" && (name == "url" || name == "port")) return {Kind::Service, name};
  }
  fail_at(source, at, "${", inside,
          "} means nothing; there are ${parameters.NAME}, ${inputs.NAME}, ${outputs.NAME}, "
          "${item}, ${item.FIELD}, ${work}, ${resources.cores|memory|gpus} and "
          "${service.url|port}");
}

class ExpressionParser {
 public:
  ExpressionParser(const std::string& text, const std::string& source, Position at)
      : text_(text), source_(source), position_(at) {}

  Expression parse() {
    if (text_.size() > kMaxLength)
      fail_at(source_, position_, "a condition has at most ", kMaxLength, " letters, this has ",
              text_.size());
    Expression whole = parse_or(0);
    skip_space();
    if (at_ < text_.size()) stop("there is '" + text_.substr(at_) + "' after its end");
    return whole;
  }

 private:
  using Kind = Expression::Kind;
  static constexpr int kMaxDepth = 32;
  static constexpr std::size_t kMaxLength = 4096;

  [[noreturn]] void stop(const std::string& reason) const {
    fail_at(source_, position_, "the condition '", text_, "' cannot be read: ", reason);
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  bool take(std::string_view token) {
    skip_space();
    if (text_.compare(at_, token.size(), token) != 0) return false;
    const std::size_t end = at_ + token.size();
    const bool word = std::isalpha(static_cast<unsigned char>(token[0])) != 0;
    if (word && end < text_.size() && std::isalnum(static_cast<unsigned char>(text_[end])) != 0)
      return false;
    at_ = end;
    return true;
  }

  Expression join(Kind kind, Expression left, Expression right) {
    Expression joined;
    joined.kind = kind;
    joined.operands.push_back(std::move(left));
    joined.operands.push_back(std::move(right));
    return joined;
  }

  Expression parse_or(int depth) {
    if (depth > kMaxDepth) stop("it is nested too deep");
    Expression left = parse_and(depth);
    while (take("or") || take("||")) left = join(Kind::Or, std::move(left), parse_and(depth));
    return left;
  }

  Expression parse_and(int depth) {
    Expression left = parse_not(depth);
    while (take("and") || take("&&")) left = join(Kind::And, std::move(left), parse_not(depth));
    return left;
  }

  Expression parse_not(int depth) {
    if (depth > kMaxDepth) stop("it is nested too deep");
    if (!take("not")) return parse_comparison(depth);
    Expression negated;
    negated.kind = Kind::Not;
    negated.operands.push_back(parse_not(depth + 1));
    return negated;
  }

  Expression parse_comparison(int depth) {
    Expression left = parse_operand(depth);
    static constexpr std::pair<std::string_view, Kind> kOperators[] = {
        {"==", Kind::Equal},        {"!=", Kind::NotEqual}, {"<=", Kind::LessEqual},
        {">=", Kind::GreaterEqual}, {"<", Kind::Less},      {">", Kind::Greater}};
    for (const auto& [token, kind] : kOperators) {
      if (take(token)) return join(kind, std::move(left), parse_operand(depth));
    }
    return left;
  }

  Expression parse_operand(int depth) {
    skip_space();
    if (at_ >= text_.size()) stop("a value is missing at its end");
    if (take("(")) {
      Expression inner = parse_or(depth + 1);
      if (!take(")")) stop("a ')' is missing");
      return inner;
    }
    Expression operand;
    if (take("${")) {
      const std::size_t end = text_.find('}', at_);
      if (end == std::string::npos) stop("a '}' is missing");
      operand.kind = Kind::Reference;
      operand.reference = parse_placeholder(text_.substr(at_, end - at_), source_, position_);
      at_ = end + 1;
      return operand;
    }
    const char quote = text_[at_];
    if (quote == '\'' || quote == '"') {
      const std::size_t end = text_.find(quote, at_ + 1);
      if (end == std::string::npos) stop("a quote is not closed");
      operand.literal = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      return operand;
    }
    return parse_plain();
  }

  Expression parse_plain() {
    std::size_t end = at_;
    while (end < text_.size() &&
           std::string_view(" \t\n()=!<>&|'\"").find(text_[end]) == std::string_view::npos)
      ++end;
    if (end == at_) stop(std::string("'") + text_[at_] + "' is no value");
    Node node;
    node.kind = Node::Kind::Scalar;
    node.text = text_.substr(at_, end - at_);
    Expression operand;
    operand.literal = to_json(node);
    if (operand.literal.is_string())
      stop("text stands in quotes, or is '" + node.text + "' a ${placeholder}?");
    at_ = end;
    return operand;
  }

  const std::string& text_;
  const std::string& source_;
  Position position_;
  std::size_t at_ = 0;
};

}  // namespace

Word parse_word(const std::string& text, const std::string& source, Position at) {
  Word word;
  std::string plain;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text.compare(i, 3, "$${") == 0) {
      plain += "${";
      i += 3;
    } else if (text.compare(i, 2, "${") == 0) {
      const std::size_t end = text.find('}', i);
      if (end == std::string::npos)
        fail_at(source, at, "the placeholder '", text.substr(i), "' is not closed by a '}'");
      if (!plain.empty()) word.push_back({Fragment::Kind::Text, plain});
      plain.clear();
      word.push_back(parse_placeholder(text.substr(i + 2, end - i - 2), source, at));
      i = end + 1;
    } else {
      plain += text[i++];
    }
  }
  if (!plain.empty() || word.empty()) word.push_back({Fragment::Kind::Text, plain});
  return word;
}

std::string to_string(const Word& word) {
  using Kind = Fragment::Kind;
  std::string text;
  for (const Fragment& part : word) {
    switch (part.kind) {
      case Kind::Text:
        for (std::size_t i = 0; i < part.text.size(); ++i) {
          if (part.text.compare(i, 2, "${") == 0) text += '$';
          text += part.text[i];
        }
        break;
      case Kind::Parameter:
        text += "${parameters." + part.text + "}";
        break;
      case Kind::Input:
        text += "${inputs." + part.text + "}";
        break;
      case Kind::Output:
        text += "${outputs." + part.text + "}";
        break;
      case Kind::Item:
        text += part.text.empty() ? "${item}" : "${item." + part.text + "}";
        break;
      case Kind::Work:
        text += "${work}";
        break;
      case Kind::Resource:
        text += "${resources." + part.text + "}";
        break;
      case Kind::Service:
        text += "${service." + part.text + "}";
        break;
    }
  }
  return text;
}

Expression parse_expression(const std::string& text, const std::string& source, Position at) {
  return ExpressionParser(text, source, at).parse();
}

bool truth(const Json& value) {
  if (!value.is_boolean())
    fail(ErrorCode::InvalidArgument, "a condition needs true or false, got ", value.dump());
  return value.get<bool>();
}

bool compare(Expression::Kind kind, const Json& left, const Json& right) {
  using Kind = Expression::Kind;
  const bool comparable = (left.is_number() && right.is_number()) || left.type() == right.type();
  if (!comparable)
    fail(ErrorCode::InvalidArgument, "a condition compares ", left.dump(), " with ", right.dump());
  switch (kind) {
    case Kind::Equal:
      return left == right;
    case Kind::NotEqual:
      return left != right;
    case Kind::Less:
      return left < right;
    case Kind::LessEqual:
      return left <= right;
    case Kind::Greater:
      return left > right;
    default:
      return left >= right;
  }
}

}  // namespace jetcal::pipeline
