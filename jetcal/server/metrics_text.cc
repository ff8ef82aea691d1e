// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/metrics_text.h"

#include <array>
#include <charconv>
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
    ModelMetric{"nv_inference_request_failure", "counter", "Requests failed",
                ",reason=\"REJECTED\"", [](const ModelStatistics& m) { return m.rejected; }},
    ModelMetric{"nv_inference_request_failure", "", "", ",reason=\"CANCELED\"",
                [](const ModelStatistics& m) { return m.cancelled; }},
    ModelMetric{"nv_inference_request_failure", "", "", ",reason=\"BACKEND\"",
                [](const ModelStatistics& m) { return m.broken; }},
    ModelMetric{"nv_inference_request_failure", "", "", ",reason=\"OTHER\"",
                [](const ModelStatistics& m) {
                  return m.fail.count - m.rejected - m.cancelled - m.broken;
                }},
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

void append_labels(std::string& out, const ModelStatistics& model) {
  out.append("{model=\"");
  append_label(out, model.name);
  out.append("\",version=\"");
  append_label(out, model.version);
  out.append("\"");
}

struct LatencyMetric {
  std::string_view summary, histogram, help;
  const engine::LatencyHistogram& (*of)(const ModelStatistics&);
};

constexpr std::array kLatencies{
    LatencyMetric{"nv_inference_request_summary_us", "jetcal_inference_request_duration_us",
                  "Time from arrival to reply",
                  [](const ModelStatistics& m) -> const engine::LatencyHistogram& {
                    return m.request_latency;
                  }},
    LatencyMetric{"nv_inference_queue_summary_us", "jetcal_inference_queue_duration_us",
                  "Time in the queue",
                  [](const ModelStatistics& m) -> const engine::LatencyHistogram& {
                    return m.queue_latency;
                  }},
    LatencyMetric{"nv_inference_compute_infer_summary_us",
                  "jetcal_inference_compute_infer_duration_us",
                  "Time of the run that a request was part of",
                  [](const ModelStatistics& m) -> const engine::LatencyHistogram& {
                    return m.infer_latency;
                  }},
};

constexpr std::array kQuantiles{0.5, 0.9, 0.95, 0.99, 0.999};
constexpr std::array kBoundsUs{100,   200,   500,    1000,   2000,   5000,    10000,
                               20000, 50000, 100000, 200000, 500000, 1000000, 10000000};

std::string short_text(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return {digits.data(), end};
}

void append_count_and_sum(std::string& out, std::string_view name, const ModelStatistics& model,
                          const engine::LatencyHistogram& latency) {
  out.append(name).append("_count");
  append_labels(out, model);
  out.append("} ").append(std::to_string(latency.count())).append("\n");
  out.append(name).append("_sum");
  append_labels(out, model);
  out.append("} ").append(std::to_string(microseconds(latency.sum_ns()))).append("\n");
}

void append_latency(std::string& out, const LatencyMetric& metric,
                    std::span<const ModelStatistics> models) {
  append_head(out, metric.summary, "summary", metric.help);
  for (const ModelStatistics& model : models) {
    const engine::LatencyHistogram& latency = metric.of(model);
    for (const double quantile : kQuantiles) {
      out.append(metric.summary);
      append_labels(out, model);
      out.append(",quantile=\"").append(short_text(quantile)).append("\"} ");
      out.append(std::to_string(microseconds(latency.quantile_ns(quantile)))).append("\n");
    }
    append_count_and_sum(out, metric.summary, model, latency);
  }
  append_head(out, metric.histogram, "histogram", metric.help);
  for (const ModelStatistics& model : models) {
    const engine::LatencyHistogram& latency = metric.of(model);
    for (const std::int64_t bound : kBoundsUs) {
      out.append(metric.histogram).append("_bucket");
      append_labels(out, model);
      out.append(",le=\"").append(std::to_string(bound)).append("\"} ");
      out.append(std::to_string(latency.count_below(bound * 1000))).append("\n");
    }
    out.append(metric.histogram).append("_bucket");
    append_labels(out, model);
    out.append(",le=\"+Inf\"} ").append(std::to_string(latency.count())).append("\n");
    append_count_and_sum(out, metric.histogram, model, latency);
  }
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
    if (!metric.kind.empty()) append_head(out, metric.name, metric.kind, metric.help);
    for (const ModelStatistics& model : models) {
      out.append(metric.name);
      append_labels(out, model);
      out.append(metric.extra_label).append("} ");
      out.append(std::to_string(metric.value(model))).append("\n");
    }
  }
  for (const LatencyMetric& metric : kLatencies) append_latency(out, metric, models);
  append_http(out, "jetcal_http_connections_total", "Connections accepted", http.connections);
  append_http(out, "jetcal_http_rejected_connections_total", "Connections over the limit",
              http.rejected_connections);
  append_http(out, "jetcal_http_requests_total", "Requests read", http.requests);
  append_http(out, "jetcal_grpc_calls_total", "Calls given to a method", http.grpc_calls);
  append_http(out, "jetcal_http_bad_requests_total", "Requests malformed or over a limit",
              http.bad_requests);
  append_http(out, "jetcal_http_timeouts_total", "Connections given up for slowness",
              http.timeouts);
  append_http(out, "jetcal_http_unauthorized_total", "Requests and calls without a valid token",
              http.unauthorized);
  append_http(out, "jetcal_tls_failures_total", "TLS handshakes that failed", http.tls_failures);
  return out;
}

}  // namespace jetcal::server
