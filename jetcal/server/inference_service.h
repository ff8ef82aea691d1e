// SPDX-License-Identifier: Apache-2.0
// The gRPC services of a model server: inference.GRPCInferenceService and grpc.health.v1.Health.
#pragma once

#include <memory>

#include "jetcal/server/grpc_service.h"
#include "jetcal/server/service_state.h"

namespace jetcal::server {

/// Adds every call of the published inference service, and the standard health check, which knows
/// the server ("") and every model by its name. The state is shared with the HTTP side.
void add_inference_service(GrpcServices& services, const std::shared_ptr<ServiceState>& state);

}  // namespace jetcal::server
