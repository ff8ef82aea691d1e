// SPDX-License-Identifier: Apache-2.0
// Infer requests that came over gRPC: one a call, or many on a stream.
#pragma once

#include <memory>

#include "jetcal/server/grpc_service.h"
#include "jetcal/server/service_state.h"

namespace jetcal::server::detail {

/// Answers a ModelInfer call. What is wrong with the request is thrown.
void start_grpc_infer(const std::shared_ptr<ServiceState>& state, BodyBuffer message,
                      GrpcResponder& responder);

/// Refuses a call of which only the first bytes are there when the queue of its model is full.
std::optional<Error> refuse_grpc_infer(ServiceState& state, std::string_view begun);

/// Opens a ModelStreamInfer call: requests are inferred as they come and answered in their order.
std::unique_ptr<GrpcReader> open_infer_stream(const std::shared_ptr<ServiceState>& state,
                                              GrpcResponder responder);

}  // namespace jetcal::server::detail
