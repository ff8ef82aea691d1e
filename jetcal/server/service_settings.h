// SPDX-License-Identifier: Apache-2.0
// What the logging and trace extensions let clients read and change.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::server {

/// Log settings; all but the file take effect at once. Thread-safe.
class LogSettings {
 public:
  struct Values {
    std::string file;  ///< Always empty: the log goes to standard error.
    bool info = true, warning = true, error = true;
    std::uint32_t verbose_level = 0;
    std::string format = "default";
  };
  /// What a request asks for; nothing where it does not.
  struct Change {
    std::optional<std::string> file, format;
    std::optional<bool> info, warning, error;
    std::optional<std::uint32_t> verbose_level;
  };

  Values values() const;
  /// Throws Unimplemented for a log file, InvalidArgument for an unknown format.
  void apply(const Change& change);

 private:
  mutable std::mutex mutex_;
  Values values_;
};

/// Trace settings of the server and of single models. They are kept and reported; requests are not
/// traced, so the only trace level is OFF. Thread-safe.
class TraceSettings {
 public:
  using Values = std::map<std::string, std::vector<std::string>>;

  /// Settings of a model, or of the server for an empty name.
  Values values(const std::string& model) const;
  /// Changes what is named; a setting without values goes back to that of the server. Throws
  /// InvalidArgument for a value that cannot be read, Unimplemented for a level other than OFF.
  void apply(const std::string& model, const Values& change);

 private:
  mutable std::mutex mutex_;
  Values global_{{"trace_level", {"OFF"}}, {"trace_rate", {"1000"}}, {"trace_count", {"-1"}},
                 {"log_frequency", {"0"}}, {"trace_file", {""}},     {"trace_mode", {"triton"}}};
  std::map<std::string, Values> of_models_;
};

}  // namespace jetcal::server
