// SPDX-License-Identifier: Apache-2.0
// What the HTTP and the gRPC side of one server share.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "jetcal/server/model_backend.h"
#include "jetcal/server/service_settings.h"
#include "jetcal/server/shared_memory.h"

namespace jetcal::server {

namespace detail {
class TaskThread;
}

struct OipOptions {
  std::size_t max_json_bytes = std::size_t{64} << 20;  ///< JSON of a request.
  std::size_t max_body_bytes = std::size_t{2} << 30;   ///< JSON and binary tensors.
  /// Lets clients name shared memory of this machine; only where they are trusted with it.
  bool shared_memory = true;
};

/// Thread-safe.
struct ServiceState {
  /// The backend must outlive it.
  ServiceState(ModelBackend& model_backend, const OipOptions& service_options);
  ~ServiceState();
  ServiceState(const ServiceState&) = delete;
  ServiceState& operator=(const ServiceState&) = delete;

  /// Throws InvalidArgument when clients may not use shared memory.
  SharedMemoryRegions& regions();

  ModelBackend& backend;
  const OipOptions options;
  std::atomic<bool> draining{false};
  LogSettings log;
  TraceSettings trace;
  std::shared_ptr<detail::TaskThread> parsing;  ///< Large JSON. shared: with calls in flight
  std::shared_ptr<detail::TaskThread> control;  ///< Loading of models. shared: as above

 private:
  SharedMemoryRegions shared_memory_;
};

}  // namespace jetcal::server
