// SPDX-License-Identifier: Apache-2.0
// The Open Inference Protocol v2 over HTTP: which path does what.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jetcal/server/http_server.h"
#include "jetcal/server/service_state.h"

namespace jetcal::server {

/// Names what asks for the health of the server, over HTTP and over gRPC.
std::vector<std::string> health_paths();

/// Answers requests from a backend, which must outlive it and, when it is an engine, be drained
/// before it ends. Thread-safe.
class OipService final : public HttpHandler {
 public:
  explicit OipService(ModelBackend& backend, const OipOptions& options = {});
  ~OipService() override;

  BodyPlan plan_body(const HttpHead& head) override;
  void handle(HttpRequest request, Responder responder) override;

  /// Makes the server not ready and refuses new infer requests with 503.
  void begin_drain() noexcept { state_->draining.store(true); }
  /// What a gRPC service on the same server shares with this one.
  const std::shared_ptr<ServiceState>& state() const noexcept { return state_; }
  /// Sets where /metrics finds the counters of HTTP; call it before serving.
  void count_http(std::function<HttpCounters()> counters) { http_counters_ = std::move(counters); }
  HttpReply metrics() const;
  /// /v2/health/live or /v2/health/ready.
  HttpReply health(std::string_view path) const;

 private:
  using Path = std::vector<std::string>;
  std::optional<HttpReply> reply_without_body(const HttpHead& head) const;
  HttpReply get(const Path& path) const;
  HttpReply get_model(const Path& path) const;
  HttpReply post(const Path& path, const HttpRequest& request) const;
  HttpReply index(const HttpRequest& request) const;
  void control(const Path& path, HttpRequest request, Responder responder);
  HttpReply model_ready(const std::string& model, const std::string& version) const;
  bool knows(const Path& path, std::string_view method) const;

  std::shared_ptr<ServiceState> state_;  // shared with calls in flight
  std::function<HttpCounters()> http_counters_;
};

/// Serves nothing but GET /metrics and health, for a port of its own that probes and Prometheus can
/// reach when the other ports want certificates or tokens.
class MetricsService final : public HttpHandler {
 public:
  explicit MetricsService(const OipService& service) : service_(service) {}
  BodyPlan plan_body(const HttpHead& head) override;
  void handle(HttpRequest request, Responder responder) override;

 private:
  const OipService& service_;
};

}  // namespace jetcal::server
