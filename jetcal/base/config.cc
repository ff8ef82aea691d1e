// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/config.h"

#include <algorithm>
#include <limits>
#include <sstream>

#include "jetcal/base/files.h"

namespace jetcal {

static std::vector<std::string> split_name(const std::string& name) {
  std::vector<std::string> parts;
  std::stringstream stream(name);
  for (std::string part; std::getline(stream, part, '.');) parts.push_back(part);
  return parts;
}

Config Config::load(const std::filesystem::path& path) {
  return parse(read_file(path), path.string());
}

Config Config::parse(const std::string& text, const std::string& source) {
  Config config;
  config.source_ = source;
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return config;
    if (!root.IsMap())
      fail(ErrorCode::InvalidArgument, source, ": expected a mapping of fields to values");
    config.root_ = root;
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::InvalidArgument, source, ":", error.mark.line + 1, ":", error.mark.column + 1,
         ": ", error.msg);
  }
  return config;
}

YAML::Node Config::find(const std::string& name) const {
  known_.insert(name);
  YAML::Node node = root_;
  for (const std::string& part : split_name(name)) {
    if (!node.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    const YAML::Node next = static_cast<const YAML::Node&>(node)[part];
    if (!next.IsDefined()) return YAML::Node(YAML::NodeType::Undefined);
    node.reset(next);
  }
  return node;
}

bool Config::has(const std::string& name) const {
  const YAML::Node node = find(name);
  return node.IsDefined() && !node.IsNull();
}

std::vector<std::string> Config::sections() const {
  std::vector<std::string> names;
  for (const auto& entry : root_) {
    if (entry.second.IsMap()) names.push_back(entry.first.Scalar());
  }
  return names;
}

void Config::set_node(const std::string& name, const YAML::Node& value) {
  YAML::Node node = root_;
  const std::vector<std::string> parts = split_name(name);
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) node.reset(node[parts[i]]);
  node[parts.back()] = value;
}

void Config::set(const std::string& name, const std::string& value) {
  set_node(name, YAML::Load(value));
}

void Config::set_text(const std::string& name, const std::string& text) {
  set_node(name, YAML::Node(text));
}

void Config::wrong_type(const std::string& name, const YAML::Node& node) const {
  const std::string value = node.IsScalar() ? node.Scalar() : "a list or mapping";
  fail(ErrorCode::InvalidArgument, source_, ":", node.Mark().line + 1, ": the field '", name,
       "' cannot be '", value, "'");
}

static void collect_names(const YAML::Node& node, const std::string& prefix,
                          std::vector<std::string>& names) {
  for (const auto& entry : node) {
    const std::string name =
        prefix.empty() ? entry.first.Scalar() : prefix + "." + entry.first.Scalar();
    names.push_back(name);
    if (entry.second.IsMap()) collect_names(entry.second, name, names);
  }
}

static std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row.back();
}

void Config::reject_unknown() const {
  std::vector<std::string> names;
  collect_names(root_, "", names);
  for (const std::string& name : names) {
    const auto is_known = [&name](const std::string& known) {
      // A mapping is known when a field inside it was asked for, and a field inside a mapping that
      // was read whole.
      return known == name || known.rfind(name + ".", 0) == 0 || name.rfind(known + ".", 0) == 0;
    };
    if (std::any_of(known_.begin(), known_.end(), is_known)) continue;
    const auto nearest =
        std::min_element(known_.begin(), known_.end(), [&name](const auto& a, const auto& b) {
          return edit_distance(a, name) < edit_distance(b, name);
        });
    fail(ErrorCode::InvalidArgument, source_, ": unknown field '", name, "'",
         nearest == known_.end() ? "" : ", did you mean '" + *nearest + "'?");
  }
}

std::string Config::dump() const {
  YAML::Emitter out;
  out << root_;
  return out.c_str();
}

}  // namespace jetcal
