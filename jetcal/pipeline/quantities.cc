// SPDX-License-Identifier: Apache-2.0
// Durations, amounts of memory and cores, and command lines, as pipeline files write them.
#include <array>
#include <cmath>
#include <cstdlib>

#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

struct Unit {
  const char* name;
  double factor;
};

// Reads "<number><unit>"; false where it is none.
template <std::size_t N>
bool parse_quantity(const std::string& text, const std::array<Unit, N>& units, double& value) {
  char* end = nullptr;
  value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || !std::isfinite(value) || value < 0) return false;
  for (const Unit& unit : units) {
    if (std::string(end) == unit.name) {
      value *= unit.factor;
      return true;
    }
  }
  return false;
}

}  // namespace

double parse_duration(const std::string& text) {
  constexpr std::array<Unit, 6> kUnits{
      {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"h", 3600}, {"d", 86400}}};
  constexpr double kLongest = 1e9;  // 31 years; clocks count nanoseconds in 64 bits
  double seconds = 0;
  if (!parse_quantity(text, kUnits, seconds))
    fail(ErrorCode::InvalidArgument, "a time is written as 30s, 5m, 1.5h or 2d, got '", text, "'");
  if (seconds > kLongest)
    fail(ErrorCode::InvalidArgument, "a time is at most ", kLongest, " seconds, got '", text, "'");
  return seconds;
}

std::int64_t parse_memory(const std::string& text) {
  constexpr std::array<Unit, 9> kUnits{{{"", 1},
                                        {"k", 1e3},
                                        {"M", 1e6},
                                        {"G", 1e9},
                                        {"T", 1e12},
                                        {"Ki", 1024.0},
                                        {"Mi", 1048576.0},
                                        {"Gi", 1073741824.0},
                                        {"Ti", 1099511627776.0}}};
  double bytes = 0;
  if (!parse_quantity(text, kUnits, bytes) || bytes > 9e18)
    fail(ErrorCode::InvalidArgument, "memory is written as 512Mi, 4Gi or 2G, got '", text, "'");
  return static_cast<std::int64_t>(bytes);
}

double parse_cores(const std::string& text) {
  constexpr std::array<Unit, 2> kUnits{{{"", 1}, {"m", 1e-3}}};
  double cores = 0;
  if (!parse_quantity(text, kUnits, cores) || cores > 1e6)
    fail(ErrorCode::InvalidArgument, "cores are written as 2, 0.5 or 500m, got '", text, "'");
  return cores;
}

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;  // a word has begun, if only with an empty quote
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (quote != '\0') {
      if (letter == quote) {
        quote = '\0';
      } else if (quote == '"' && letter == '\\' && i + 1 < text.size() &&
                 (text[i + 1] == '"' || text[i + 1] == '\\')) {
        word += text[++i];
      } else {
        word += letter;
      }
    } else if (letter == '\'' || letter == '"') {
      quote = letter;
      open = true;
    } else if (letter == '\\' && i + 1 < text.size()) {
      word += text[++i];
      open = true;
    } else if (letter == ' ' || letter == '\t' || letter == '\n') {
      if (open) words.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += letter;
      open = true;
    }
  }
  if (quote != '\0') fail(ErrorCode::InvalidArgument, "a ", quote, " in the command is not closed");
  if (open) words.push_back(std::move(word));
  return words;
}

}  // namespace jetcal::pipeline
