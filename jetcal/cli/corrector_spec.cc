// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/corrector_spec.h"

#include <set>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::cli {

namespace {

[[noreturn]] void fail_on(const std::string& text) {
  fail(ErrorCode::InvalidArgument, "the corrector '", text,
       "' is not of the form NAME=MODEL.jetcal, NAME=branch:BRANCH, NAME=factor:BRANCH[*BRANCH], "
       "NAME=jec:FILE[,FILE], NAME=jec:FILE.json[:CORRECTION] or NAME=raw");
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool take_prefix(std::string& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.erase(0, prefix.size());
  return true;
}

// Splits FILE.json:NAME and FILE.json.gz:NAME; other texts are files alone.
void set_files(const std::string& text, CorrectorSpec& spec) {
  for (const std::string_view suffix : {".json.gz:", ".json:"}) {
    const std::size_t at = text.find(suffix);
    if (at == std::string::npos) continue;
    spec.files = {text.substr(0, at + suffix.size() - 1)};
    spec.correction = text.substr(at + suffix.size());
    return;
  }
  for (const std::string& file : split(text, ',')) spec.files.emplace_back(file);
}

}  // namespace

CorrectorSpec parse_corrector(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) fail_on(text);
  CorrectorSpec spec;
  spec.name = text.substr(0, equals);
  std::string source = text.substr(equals + 1);
  if (source == "raw") {
    spec.kind = CorrectorKind::Raw;
  } else if (take_prefix(source, "branch:")) {
    spec.kind = CorrectorKind::Branch;
    spec.branches = {source};
  } else if (take_prefix(source, "factor:")) {
    spec.kind = CorrectorKind::Factor;
    spec.branches = split(source, '*');
  } else if (take_prefix(source, "jec:")) {
    spec.kind = CorrectorKind::Jec;
    set_files(source, spec);
  } else {
    spec.kind = CorrectorKind::Model;
    spec.model = source;
  }
  for (const std::string& branch : spec.branches) {
    if (branch.empty()) fail_on(text);
  }
  for (const std::filesystem::path& file : spec.files) {
    if (file.empty()) fail_on(text);
  }
  return spec;
}

std::vector<CorrectorSpec> parse_correctors(const std::vector<std::string>& texts,
                                            const std::string& baseline) {
  std::vector<CorrectorSpec> specs;
  std::set<std::string> names{baseline};
  for (const std::string& text : texts) {
    specs.push_back(parse_corrector(text));
    if (!names.insert(specs.back().name).second) {
      fail(ErrorCode::InvalidArgument, "two correctors have the name '", specs.back().name, "'; '",
           baseline, "' is pt_reco, which is always there");
    }
  }
  return specs;
}

bool reads_branches(const CorrectorSpec& spec) noexcept {
  return spec.kind == CorrectorKind::Branch || spec.kind == CorrectorKind::Factor;
}

}  // namespace jetcal::cli
