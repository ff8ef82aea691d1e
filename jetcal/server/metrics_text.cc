// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/metrics_text.h"

#include <array>
#include <string_view>

namespace jetcal::server {
namespace {

using engine::ModelStatistics;

struct ModelMetric {
  std::string_view name, kind, help, extra_label;
  std::int64_t (*value)(const ModelStatistics&);
};

constexpr std::int64_t microseconds(std::int64_t ns) { return ns / 1000; }

constexpr std::array kModelMetrics{
    ModelMetric{"nv_inference_request_success", "counter", "Requests answered", "",
                [](const ModelStatistics& m) { return m.success.count; }},
    ModelMetric{"nv_inference_request_failure", "counter", "Requests failed", ",reason=\"OTHER\"",
                [](const ModelStatistics& m) { return m.fail.count; }},
    ModelMetric{"nv_inference_count", "counter", "Rows inferred", "",
                [](const ModelStatistics& m) { return m.inference_count; }},
    ModelMetric{"nv_inference_exec_count", "counter", "Runs of the network", "",
                [](const ModelStatistics& m) { return m.execution_count; }},
    ModelMetric{"nv_inference_request_duration_us", "counter", "Time from arrival to reply", "",
                [](const ModelStatistics& m) { return microseconds(m.success.ns); }},
    ModelMetric{"nv_inference_queue_duration_us", "counter", "Time in the queue", "",
                [](const ModelStatistics& m) { return microseconds(m.queue.ns); }},
    ModelMetric{"nv_inference_compute_input_duration_us", "counter", "Time preparing inputs", "",
                [](const ModelStatistics& m) { return microseconds(m.compute_input.ns); }},
    ModelMetric{"nv_inference_compute_infer_duration_us", "counter", "Time in the network", "",
                [](const ModelStatistics& m) { return microseconds(m.compute_infer.ns); }},
    ModelMetric{"nv_inference_compute_output_duration_us", "counter", "Time handling outputs", "",
                [](const ModelStatistics& m) { return microseconds(m.compute_output.ns); }},
    ModelMetric{"nv_inference_pending_request_count", "gauge", "Requests in the queue", "",
                [](const ModelStatistics& m) { return m.pending; }},
};

void append_label(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
}

void append_head(std::string& out, std::string_view name, std::string_view kind,
                 std::string_view help) {
  out.append("# HELP ").append(name).append(" ").append(help).append("\n");
  out.append("# TYPE ").append(name).append(" ").append(kind).append("\n");
}

void append_http(std::string& out, std::string_view name, std::string_view help,
                 std::uint64_t value) {
  append_head(out, name, "counter", help);
  out.append(name).append(" ").append(std::to_string(value)).append("\n");
}

}  // namespace

std::string metrics_text(std::span<const ModelStatistics> models, const HttpCounters& http) {
  std::string out;
  for (const ModelMetric& metric : kModelMetrics) {
    append_head(out, metric.name, metric.kind, metric.help);
    for (const ModelStatistics& model : models) {
      out.append(metric.name).append("{model=\"");
      append_label(out, model.name);
      out.append("\",version=\"");
      append_label(out, model.version);
      out.append("\"").append(metric.extra_label).append("} ");
      out.append(std::to_string(metric.value(model))).append("\n");
    }
  }
  append_http(out, "jetcal_http_connections_total", "Connections accepted", http.connections);
  append_http(out, "jetcal_http_rejected_connections_total", "Connections over the limit",
              http.rejected_connections);
  append_http(out, "jetcal_http_requests_total", "Requests read", http.requests);
  append_http(out, "jetcal_http_bad_requests_total", "Requests malformed or over a limit",
              http.bad_requests);
  append_http(out, "jetcal_http_timeouts_total", "Connections given up for slowness",
              http.timeouts);
  return out;
}

}  // namespace jetcal::server
