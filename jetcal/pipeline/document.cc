// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <sstream>

#include "jetcal/base/encoding.h"

namespace jetcal::pipeline {
namespace {

Position position(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

std::size_t count_values(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) count += count_values(item);
  for (const Field& field : node.fields) count += 1 + count_values(field.value);
  return count;
}

// Builds the tree from yaml-cpp's events: its own nodes hide duplicate keys and share aliases.
class TreeBuilder : public YAML::EventHandler {
 public:
  /// `count` is of the values of the whole file.
  TreeBuilder(const std::string& source, const DocumentLimits& limits, std::size_t& count)
      : source_(source), limits_(limits), count_(count) {}

  Node take() { return std::move(root_); }
  /// The byte where the document begins.
  int begin() const { return begin_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    begin_ = mark.pos;
    root_ = Node{};
    root_.at = position(mark);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.at = position(mark);
    add(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      fail_at(source_, position(mark), "the alias stands inside of what it names");
    Node copy = found->second;
    copy.at = position(mark);
    count_ += count_values(copy) - 1;  // add() counts one
    add(std::move(copy), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (!is_utf8(value)) fail_at(source_, position(mark), "the text is no UTF-8");  // as JSON is
    Node node;
    node.kind = Node::Kind::Scalar;
    node.plain = tag == "?" || tag.empty();
    node.text = value;
    node.at = position(mark);
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, Node::Kind::Sequence, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, Node::Kind::Mapping, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    Field next;
    std::set<std::string> names;
  };

  void open(const YAML::Mark& mark, Node::Kind kind, YAML::anchor_t anchor) {
    if (static_cast<int>(levels_.size()) >= limits_.max_depth)
      fail_at(source_, position(mark), "values are nested more than ", limits_.max_depth, " deep");
    Level level;
    level.node.kind = kind;
    level.node.at = position(mark);
    level.anchor = anchor;
    levels_.push_back(std::move(level));
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    add(std::move(level.node), level.anchor);
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (++count_ > limits_.max_values)
      fail_at(source_, node.at, "the file holds more than ", limits_.max_values,
              " values, aliases counted as what they stand for");
    if (anchor != 0) anchors_[anchor] = node;
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == Node::Kind::Sequence) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      add_key(level, node);
    } else {
      level.next.value = std::move(node);
      level.node.fields.push_back(std::move(level.next));
      level.next = Field{};
      level.has_key = false;
    }
  }

  void add_key(Level& level, const Node& node) {
    if (node.kind != Node::Kind::Scalar) fail_at(source_, node.at, "a field's name must be text");
    if (node.plain && node.text == "<<")
      fail_at(source_, node.at, "merge keys (<<) are not part of YAML 1.2");
    if (!level.names.insert(node.text).second)
      fail_at(source_, node.at, "the field '", node.text, "' is given twice");
    level.next.name = node.text;
    level.next.at = node.at;
    level.has_key = true;
  }

  const std::string& source_;
  const DocumentLimits& limits_;
  std::size_t& count_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Node> anchors_;
  Node root_;
  int begin_ = -1;
};

Json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const bool starts_number = text.find_first_of("0123456789") != std::string::npos &&
                             text.find_first_not_of("+-.0123456789eE") == std::string::npos;
  if (!starts_number) return text;
  char* end = nullptr;
  if (text.find_first_of(".eE") == std::string::npos) {
    errno = 0;
    const std::int64_t integer = std::strtoll(text.c_str(), &end, 10);
    if (errno == 0 && *end == '\0') return integer;
  }
  const double number = std::strtod(text.c_str(), &end);
  if (*end == '\0' && std::isfinite(number)) return number;
  return text;
}

int distance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

const Node* Node::find(std::string_view name) const noexcept {
  for (const Field& field : fields) {
    if (field.name == name) return &field.value;
  }
  return nullptr;
}

std::vector<Node> parse_documents(const std::string& text, const std::string& source,
                                  const DocumentLimits& limits) {
  if (text.size() > limits.max_bytes)
    fail(ErrorCode::InvalidArgument, source, ":1:1: the file has ", text.size(),
         " bytes, more than the ", limits.max_bytes, " a pipeline may have");
  if (text.find('\0') != std::string::npos)
    fail(ErrorCode::InvalidArgument, source, ":1:1: the file holds zero bytes and is no YAML");
  std::vector<Node> documents;
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    std::size_t count = 0;
    int begin = -1;
    while (true) {
      TreeBuilder builder(source, limits, count);
      if (!parser.HandleNextDocument(builder)) break;
      documents.push_back(builder.take());
      // At a comma yaml-cpp finds empty documents without an end.
      if (builder.begin() == begin)
        fail_at(source, documents.back().at, "this is not YAML: no value can begin here");
      begin = builder.begin();
    }
  } catch (const YAML::Exception& error) {
    fail_at(source, position(error.mark), "this is not YAML: ", error.msg);
  }
  return documents;
}

Json to_json(const Node& node) {
  switch (node.kind) {
    case Node::Kind::Null:
      return nullptr;
    case Node::Kind::Scalar:
      return node.plain ? plain_scalar(node.text) : Json(node.text);
    case Node::Kind::Sequence: {
      Json list = Json::array();
      for (const Node& item : node.items) list.push_back(to_json(item));
      return list;
    }
    case Node::Kind::Mapping: {
      Json mapping = Json::object();
      for (const Field& field : node.fields) mapping[field.name] = to_json(field.value);
      return mapping;
    }
  }
  return nullptr;
}

std::string field_text(const Node& node, std::string_view name) {
  const Node* found = node.find(name);
  return found == nullptr ? "" : found->text;
}

double number_at(const std::string& source, const Node& node, const std::string& what) {
  const Json value = to_json(node);
  if (!value.is_number()) fail_at(source, node.at, what, " must be a number, got ", value.dump());
  return value.get<double>();
}

MappingReader::MappingReader(const std::string& source, const Node& node, std::string what)
    : source_(&source), node_(&node), what_(std::move(what)) {
  if (node.kind != Node::Kind::Mapping)
    fail_at(*source_, node.at, what_, " must be a mapping of fields");
}

const Node* MappingReader::optional(const std::string& name) {
  known_.insert(name);
  const Node* found = node_->find(name);
  if (found == nullptr || to_json(*found).is_null()) return nullptr;
  return found;
}

const Node& MappingReader::require(const std::string& name) {
  const Node* found = optional(name);
  if (found == nullptr) fail_at(*source_, node_->at, what_, " has no field '", name, "'");
  return *found;
}

std::string MappingReader::text(const std::string& name, const std::string& fallback) {
  const Node* found = optional(name);
  if (found == nullptr) return fallback;
  if (found->kind != Node::Kind::Scalar)
    fail_at(*source_, found->at, "the field '", name, "' of ", what_, " must be text");
  return found->text;
}

std::string MappingReader::require_text(const std::string& name) {
  require(name);
  return text(name, "");
}

bool MappingReader::boolean(const std::string& name, bool fallback) {
  const Node* found = optional(name);
  if (found == nullptr) return fallback;
  const Json value = to_json(*found);
  if (!value.is_boolean())
    fail_at(*source_, found->at, "the field '", name, "' of ", what_, " must be true or false");
  return value.get<bool>();
}

double MappingReader::number(const std::string& name, double fallback) {
  const Node* found = optional(name);
  if (found == nullptr) return fallback;
  const Json value = to_json(*found);
  if (!value.is_number())
    fail_at(*source_, found->at, "the field '", name, "' of ", what_, " must be a number");
  return value.get<double>();
}

std::int64_t MappingReader::integer(const std::string& name, std::int64_t fallback) {
  const Node* found = optional(name);
  if (found == nullptr) return fallback;
  const Json value = to_json(*found);
  if (!value.is_number_integer())
    fail_at(*source_, found->at, "the field '", name, "' of ", what_, " must be a whole number");
  return value.get<std::int64_t>();
}

std::vector<std::string> MappingReader::texts(const std::string& name) {
  const Node* found = optional(name);
  if (found == nullptr) return {};
  if (found->kind == Node::Kind::Scalar) return {found->text};
  std::vector<std::string> words;
  for (const Node& item : found->items) {
    if (item.kind != Node::Kind::Scalar)
      fail_at(*source_, item.at, "the field '", name, "' of ", what_, " must be a list of words");
    words.push_back(item.text);
  }
  if (found->kind == Node::Kind::Mapping)
    fail_at(*source_, found->at, "the field '", name, "' of ", what_, " must be a list of words");
  return words;
}

void MappingReader::done() const {
  for (const Field& field : node_->fields) {
    if (known_.count(field.name) != 0) continue;
    const std::string near = nearest(field.name, {known_.begin(), known_.end()});
    fail_at(*source_, field.at, what_, " has no field '", field.name, "'",
            near.empty() ? "" : "; did you mean '" + near + "'?");
  }
}

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  int least = static_cast<int>(word.size()) / 2 + 1;
  for (const std::string& candidate : candidates) {
    const int steps = distance(word, candidate);
    if (steps < least) {
      least = steps;
      best = candidate;
    }
  }
  return best;
}

}  // namespace jetcal::pipeline
