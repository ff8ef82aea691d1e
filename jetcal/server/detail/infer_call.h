// SPDX-License-Identifier: Apache-2.0
// One infer request on its way: body, engine, reply.
#pragma once

#include <memory>
#include <string>

#include "jetcal/server/body_coding.h"
#include "jetcal/server/detail/task_thread.h"
#include "jetcal/server/http_server.h"
#include "jetcal/server/infer_request.h"
#include "jetcal/server/service_state.h"

namespace jetcal::server::detail {

/// Keeps the body alive while the engine reads it, and answers. Lives in the callbacks it leaves
/// behind.
class InferCall : public std::enable_shared_from_this<InferCall> {
 public:
  InferCall(std::shared_ptr<ServiceState> state, HttpRequest request, Responder responder);

  /// Parses on this thread, or on the task thread when that is much work, and submits. Never
  /// throws.
  void start(const std::string& model, const std::string& version);

 private:
  void prepare();  // expands, parses, submits
  void parse();
  void finish(Result<engine::InferReply> result);
  void write_reply(engine::InferReply result);
  template <typename Work>
  void guarded(Work work);  // turns what work throws into a reply

  std::shared_ptr<ServiceState> state_;  // shared: a reply may come after the service has ended
  HttpRequest request_;
  Responder responder_;
  std::string model_, version_;
  BodyCoding coding_ = BodyCoding::Identity, reply_coding_ = BodyCoding::Identity;
  ParsedInfer parsed_;
};

}  // namespace jetcal::server::detail
