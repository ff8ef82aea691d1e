// SPDX-License-Identifier: Apache-2.0
// YAML as a tree that knows where everything stands, with limits that hostile files meet.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::pipeline {

using Json = nlohmann::ordered_json;

/// Line and column of a file, both from 1.
struct Position {
  int line = 1;
  int column = 1;
};

struct Field;

/// One value of a document.
struct Node {
  enum class Kind { Null, Scalar, Sequence, Mapping };
  Kind kind = Kind::Null;
  bool plain = true;  ///< Scalar: written without quotes, so `true` and `3` are no text.
  std::string text;   ///< Scalar.
  std::vector<Node> items;
  std::vector<Field> fields;
  Position at;

  /// Returns the value of a mapping's field, or nullptr.
  const Node* find(std::string_view name) const noexcept;
};

struct Field {
  std::string name;
  Position at;
  Node value;
};

/// What a file may hold, all its documents together. A YAML bomb meets `max_values` before it fills
/// the memory.
struct DocumentLimits {
  std::size_t max_bytes = 4U << 20U;
  std::size_t max_values = 100'000;  ///< Aliases count as what they stand for.
  int max_depth = 64;
};

/// Reads every document of `text`; `source` names it in errors.
///
/// Throws InvalidArgument as "SOURCE:LINE:COLUMN: sentence" for text that is no YAML or no UTF-8, a
/// field given twice, an alias of itself, and more values, nesting or bytes than `limits` allow.
std::vector<Node> parse_documents(const std::string& text, const std::string& source,
                                  const DocumentLimits& limits = {});

/// Converts to JSON: plain scalars become null, booleans and numbers where YAML 1.2 says so.
Json to_json(const Node& node);

/// Throws InvalidArgument with the place in front.
template <typename... Parts>
[[noreturn]] void fail_at(const std::string& source, Position at, const Parts&... parts) {
  fail(ErrorCode::InvalidArgument, source, ":", at.line, ":", at.column, ": ", parts...);
}

/// The text of a mapping's field, or "".
std::string field_text(const Node& node, std::string_view name);

/// Calls `parse` on the text of a scalar, and puts the place in front of its error.
template <typename Parse>
auto parse_at(const std::string& source, const Node& node, const Parse& parse) {
  try {
    return parse(node.text);
  } catch (const Error& error) {
    fail_at(source, node.at, error.what());
  }
}

/// The number of a scalar. Throws with the place for anything else; `what` names it.
double number_at(const std::string& source, const Node& node, const std::string& what);

/// Reads a mapping field by field; what nobody asked for is an error of done().
class MappingReader {
 public:
  /// Throws unless `node` is a mapping; `what` names it, e.g. "the step 'train'".
  MappingReader(const std::string& source, const Node& node, std::string what);

  /// The field's value, or nullptr when it is absent or null.
  const Node* optional(const std::string& name);
  /// Throws when the field is absent or null.
  const Node& require(const std::string& name);
  std::string text(const std::string& name, const std::string& fallback);
  std::string require_text(const std::string& name);
  bool boolean(const std::string& name, bool fallback);
  double number(const std::string& name, double fallback);
  std::int64_t integer(const std::string& name, std::int64_t fallback);
  /// A list of words; a single word stands for a list of one.
  std::vector<std::string> texts(const std::string& name);
  /// Throws for the first field that nobody asked for, with the nearest known name.
  void done() const;

  const std::string& source() const noexcept { return *source_; }
  const std::string& what() const noexcept { return what_; }
  Position at() const noexcept { return node_->at; }

 private:
  const std::string* source_;
  const Node* node_;
  std::string what_;
  std::set<std::string> known_;
};

/// The candidate that differs from `word` least, or "" when none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace jetcal::pipeline
