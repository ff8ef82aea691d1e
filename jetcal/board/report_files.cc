// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/report_files.h"

#include <sys/stat.h>

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

// Response and resolution against pt_gen, as the page draws them; bins with too few jets are left
// out, as in the report's own figures.
Json curves(const Json& bins) {
  Json list = Json::array();
  for (const Json& bin : bins) {
    const Json flags = bin.value("flags", Json::array());
    if (std::find(flags.begin(), flags.end(), "too_few_jets") != flags.end()) continue;
    list.push_back({{"pt", bin.at("center")},
                    {"jets", bin.at("jets")},
                    {"response", bin.at("median")},
                    {"resolution", bin.at("resolution")}});
  }
  return list;
}

Json ranges(const Json& list) {
  Json rows = Json::array();
  for (const Json& one : list) {
    Json row = Json::object();
    for (const char* name :
         {"range", "jets", "median", "resolution", "sae", "alpha", "beta", "flags"})
      row[name] = one.value(name, Json());
    rows.push_back(std::move(row));
  }
  return rows;
}

Json analysis_document(const Json& report) {
  Json correctors = Json::array();
  for (const Json& one : report.at("correctors")) {
    Json regions = Json::object();
    for (const auto& [name, region] : one.at("regions").items())
      regions[name] = {{"curves", curves(region.at("bins"))},
                       {"ranges", ranges(region.at("ranges"))}};
    correctors.push_back({{"name", one.at("name")},
                          {"loss", one.value("loss", Json())},
                          {"loss_gain", one.value("loss_gain", Json())},
                          {"regions", regions}});
  }
  return {{"kind", "analysis"},
          {"baseline", report.value("baseline", "")},
          {"source", report.value("source", Json::object())},
          {"counts", report.value("counts", Json::object())},
          {"definitions", report.value("definitions", Json::object())},
          {"regions", report.value("regions", Json::array())},
          {"correctors", correctors}};
}

Json search_document(const Json& report) {
  return {{"kind", "search"},
          {"source", report.value("source", "")},
          {"metric", report.value("metric", "")},
          {"trials", report.value("trials", 0)},
          {"counted", report.value("counted", 0)},
          {"states", report.value("states", Json::object())},
          {"best", report.at("best_trials").empty() ? Json() : report.at("best_trials").front()}};
}

}  // namespace

std::string read_report_file(const fs::path& folder, const std::string& name) {
  const fs::path path = folder / name;
  struct stat status {};
  const bool plain = !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
                     name.find('\0') == std::string::npos;
  if (!plain || ::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
    fail(ErrorCode::NotFound, "the report has no file '", name, "'");
  return read_file(path);
}

Json report_document(const fs::path& folder) {
  const Json report = Json::parse(read_file(folder / "report.json"), nullptr, false);
  if (!report.is_object())
    fail(ErrorCode::DataLoss, (folder / "report.json").string(), " is no JSON document");
  if (report.contains("correctors") && report.contains("regions")) return analysis_document(report);
  if (report.contains("best_trials")) return search_document(report);
  return {{"kind", "other"}};
}

}  // namespace jetcal::board
