// SPDX-License-Identifier: Apache-2.0
// Values from a YAML file, read by dotted name, with every mistake named by file and field.
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal {

/// Reads a YAML mapping; flags of the command line override it with set().
///
///     Config config = Config::load("train.yaml");
///     options.batch_size = config.get("train.batch_size", options.batch_size);
///     config.reject_unknown();
class Config {
 public:
  Config() : source_("flags") {}
  /// Throws NotFound, or InvalidArgument with line and column when the file is not a YAML mapping.
  static Config load(const std::filesystem::path& path);
  static Config parse(const std::string& text, const std::string& source);

  /// Returns the value at a dotted name, or `fallback` when it is absent. Throws InvalidArgument
  /// naming file, line and field when it has another type.
  template <typename T>
  T get(const std::string& name, const T& fallback) const {
    const YAML::Node node = find(name);
    return node.IsDefined() && !node.IsNull() ? convert<T>(name, node) : fallback;
  }
  /// Like get(), but the value must be there.
  template <typename T>
  T require(const std::string& name) const {
    const YAML::Node node = find(name);
    if (!node.IsDefined() || node.IsNull())
      fail(ErrorCode::InvalidArgument, source_, ": the field '", name, "' is missing");
    return convert<T>(name, node);
  }
  bool has(const std::string& name) const;
  /// Names the fields that are mappings at the top of the file.
  std::vector<std::string> sections() const;
  /// Overrides one value, as a flag of the command line does.
  void set(const std::string& name, const std::string& value);
  /// The same for a value that is text whatever it looks like.
  void set_text(const std::string& name, const std::string& text);
  /// Throws InvalidArgument for the first field that nobody asked for, with the nearest known name.
  void reject_unknown() const;
  const std::string& source() const noexcept { return source_; }
  /// Prints the whole configuration as YAML, overrides included.
  std::string dump() const;

 private:
  YAML::Node find(const std::string& name) const;
  void set_node(const std::string& name, const YAML::Node& value);
  [[noreturn]] void wrong_type(const std::string& name, const YAML::Node& node) const;
  template <typename T>
  T convert(const std::string& name, const YAML::Node& node) const {
    try {
      return node.as<T>();
    } catch (const YAML::Exception&) {
      wrong_type(name, node);
    }
  }
  YAML::Node root_{YAML::NodeType::Map};
  std::string source_;
  mutable std::set<std::string> known_;  // names asked for so far
};

}  // namespace jetcal
