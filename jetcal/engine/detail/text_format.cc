// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/text_format.h"

#include <cctype>

#include "jetcal/base/error.h"

namespace jetcal::engine::detail {
namespace {

// Real configurations nest five deep; hostile ones must not exhaust the stack.
constexpr int kMaxDepth = 32;

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-' ||
         c == '+';
}

class Reader {
 public:
  Reader(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  TextMessage message(char end, int depth) {
    if (depth > kMaxDepth) wrong("messages are nested too deeply");
    TextMessage out;
    for (char next = peek(); next != end; next = peek()) {
      if (next == '\0') wrong("the file ends inside a message");
      field(out, depth);
      if (peek() == ',' || peek() == ';') ++position_;
    }
    if (end != '\0') ++position_;
    return out;
  }

 private:
  [[noreturn]] void wrong(std::string_view what) const {
    fail(ErrorCode::InvalidArgument, source_, ", line ", line_, ": ", what);
  }

  // Skips blanks and comments; '\0' at the end of the text.
  char peek() {
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c == '#') {
        while (position_ < text_.size() && text_[position_] != '\n') ++position_;
        continue;
      }
      if (std::isspace(static_cast<unsigned char>(c)) == 0) {
        if (c == '\0') wrong("a zero byte");
        return c;
      }
      if (c == '\n') ++line_;
      ++position_;
    }
    return '\0';
  }

  std::string word() {
    const char first = peek();
    if (!is_word(first)) {
      if (first == '\0') wrong("the file ends where a name or value is expected");
      wrong(std::string("'") + first + "' where a name or value is expected");
    }
    const std::size_t begin = position_;
    while (position_ < text_.size() && is_word(text_[position_])) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  void field(TextMessage& out, int depth) {
    const int line = line_;
    const std::string name = word();
    const bool colon = peek() == ':';
    if (colon) ++position_;
    if (peek() != '[') {
      value(out, name, line, colon, depth);
      return;
    }
    ++position_;
    while (peek() != ']') {
      value(out, name, line, true, depth);
      if (peek() == ',') {
        ++position_;
      } else if (peek() != ']') {
        wrong("a list wants ',' or ']' after each element");
      }
    }
    ++position_;
  }

  void value(TextMessage& out, const std::string& name, int line, bool colon, int depth) {
    const char next = peek();
    if (next == '{' || next == '<') {
      ++position_;
      out.fields.push_back({name, line, message(next == '{' ? '}' : '>', depth + 1)});
      return;
    }
    if (!colon) wrong("the field '" + name + "' has no ':'");
    if (next == '"' || next == '\'') {
      TextScalar scalar{"", true};
      while (peek() == '"' || peek() == '\'') scalar.text += quoted();  // adjacent strings join
      out.fields.push_back({name, line, scalar});
      return;
    }
    out.fields.push_back({name, line, TextScalar{word(), false}});
  }

  std::string quoted() {
    const char quote = text_[position_++];
    std::string out;
    while (true) {
      if (position_ >= text_.size() || text_[position_] == '\n') wrong("a string does not end");
      const char c = text_[position_++];
      if (c == quote) return out;
      out += c == '\\' ? escape() : c;
    }
  }

  char escape() {
    if (position_ >= text_.size()) wrong("a string does not end");
    const char c = text_[position_++];
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case '\\':
      case '\'':
      case '"':
      case '?':
        return c;
      case 'x':
        return number(16, 2);
      default:
        break;
    }
    if (c < '0' || c > '7') wrong(std::string("unknown escape '\\") + c + "'");
    --position_;
    return number(8, 3);
  }

  char number(int base, int max_digits) {
    int value = 0;
    int digits = 0;
    for (; digits < max_digits && position_ < text_.size(); ++digits, ++position_) {
      const auto c = static_cast<unsigned char>(text_[position_]);
      const int digit = std::isdigit(c) != 0    ? c - '0'
                        : std::isxdigit(c) != 0 ? std::tolower(c) - 'a' + 10
                                                : base;
      if (digit >= base) break;
      value = value * base + digit;
    }
    if (digits == 0 || value > 255) wrong("a wrong escape in a string");
    return static_cast<char>(value);
  }

  std::string_view text_;
  const std::string& source_;
  std::size_t position_ = 0;
  int line_ = 1;
};

}  // namespace

TextMessage parse_text_format(std::string_view text, const std::string& source) {
  return Reader(text, source).message('\0', 0);
}

}  // namespace jetcal::engine::detail
