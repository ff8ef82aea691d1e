// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/load_report.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/error.h"
#include "jetcal/base/version.h"
#include "jetcal/page/carried_file.h"
#include "jetcal/page/page_parts.h"

JETCAL_CARRIED_FILE(jetcal_load_page, JETCAL_LOAD_PAGE)

namespace jetcal::client {
namespace {

using nlohmann::ordered_json;

void check_report(const ordered_json& report) {
  try {
    for (const char* name : {"model", "form", "url"}) report.at(name).get_ref<const std::string&>();
    for (const ordered_json& row : report.at("results")) {
      for (const char* name :
           {"batch_size", "requests", "jets_per_second", "inference_us", "overhead_us"})
        row.at(name).get<double>();
      for (const char* name : {"mean", "p50", "p99"})
        row.at("round_trip_us").at(name).get<double>();
    }
  } catch (const ordered_json::exception& error) {
    fail(ErrorCode::InvalidArgument, "this is no report of loadgen: ", error.what());
  }
}

}  // namespace

ordered_json to_json(const LoadResult& result) {
  const auto latency = [](const LatencySummary& summary) -> ordered_json {
    return {{"mean", summary.mean}, {"p50", summary.p50}, {"p90", summary.p90},
            {"p95", summary.p95},   {"p99", summary.p99}, {"p999", summary.p999},
            {"max", summary.max}};
  };
  ordered_json failed = ordered_json::object();
  for (const auto& [what, count] : result.failed) failed[what] = count;
  return {
      {"batch_size", result.batch_size},
      {"requests", result.round_trip.count},
      {"failed", failed},
      {"seconds", result.seconds},
      {"requests_per_second", result.requests_per_second},
      {"jets_per_second", result.jets_per_second},
      {"round_trip_us", latency(result.round_trip)},
      {"refused_us", result.refused.count > 0 ? latency(result.refused) : ordered_json(nullptr)},
      {"inference_us", result.inference},
      {"queue_us", result.queue},
      {"overhead_us", result.overhead},
      {"jets_per_execution", result.jets_per_execution}};
}

ordered_json load_report(const LoadOptions& options, std::span<const LoadResult> results) {
  ordered_json rows = ordered_json::array();
  for (const LoadResult& result : results) rows.push_back(to_json(result));
  return {{"url", options.server.url},
          {"model", options.model},
          {"version", options.version},
          {"client", std::string(version()) + " (" + commit() + ")"},
          {"client_cpu", cpu_model()},
          {"connections", options.server.connections},
          {"retries", options.server.retry.retries},
          {"loop", options.rate > 0 ? "open" : "closed"},
          {"rate", options.rate},
          {"form", jet_form_name(options.form)},
          {"coding", options.coding == TensorCoding::Binary ? "binary" : "json"},
          {"particles", {options.min_particles, options.max_particles}},
          {"seed", options.seed},
          {"results", rows}};
}

std::string load_page(std::span<const ordered_json> reports) {
  for (const ordered_json& report : reports) check_report(report);
  return page::self_contained_page(jetcal_load_page(),
                                   ordered_json(std::vector(reports.begin(), reports.end())));
}

}  // namespace jetcal::client
