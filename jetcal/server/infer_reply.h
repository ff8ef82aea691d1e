// SPDX-License-Identifier: Apache-2.0
// Writes the answer to an infer request: JSON, with binary tensors behind it where asked for.
#pragma once

#include <memory>

#include "jetcal/engine/engine.h"
#include "jetcal/server/http_message.h"
#include "jetcal/server/infer_request.h"

namespace jetcal::server {

/// Builds the reply; binary tensors are sent from the engine's memory. Numbers in JSON have the
/// shortest digits that give the same float back; what is not finite becomes null. Throws
/// InvalidArgument for an FP16 or BF16 output that was not asked for as binary data.
HttpReply make_infer_reply(const ParsedInfer& parsed, engine::InferReply result);

/// Replaces outputs that were asked for as classes; `batched`: their first dimension is the batch.
void apply_classification(const ParsedInfer& parsed, bool batched, engine::InferReply& result);

/// Counts the elements that the reply will print as JSON: the work it makes.
std::int64_t json_elements(const ParsedInfer& parsed, const engine::InferReply& result);

}  // namespace jetcal::server
