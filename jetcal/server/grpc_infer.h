// SPDX-License-Identifier: Apache-2.0
// ModelInferRequest and ModelInferResponse on the wire: tensors stay where they arrived.
#pragma once

#include <string>
#include <string_view>

#include "jetcal/engine/engine.h"
#include "jetcal/server/grpc_service.h"
#include "jetcal/server/infer_request.h"

namespace jetcal::server {

/// Reads a ModelInferRequest. Views point into `message`; typed contents that need another layout
/// go to the storage. Throws InvalidArgument in the words of Triton, NotFound for an unknown region
/// of shared memory.
ParsedInfer parse_grpc_infer(std::string_view message, ServiceState* state = nullptr);

/// What a reply is wrapped in.
enum class GrpcReplyForm {
  Unary,   ///< ModelInferResponse
  Stream,  ///< ModelStreamInferResponse
};

/// Writes the reply, its tensors as raw contents. Throws InvalidArgument when an output does not
/// fit the shared memory that was named for it.
GrpcMessage make_grpc_reply(const ParsedInfer& parsed, engine::InferReply result,
                            GrpcReplyForm form);

/// Writes a ModelStreamInferResponse that tells of a failure.
GrpcMessage make_grpc_stream_error(std::string_view id, std::string_view text);

}  // namespace jetcal::server
