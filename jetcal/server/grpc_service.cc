// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/grpc_service.h"

#include "jetcal/server/detail/mailbox.h"
#include "jetcal/server/detail/task_thread.h"
#include "jetcal/server/status_map.h"

namespace jetcal::server {

GrpcStatus grpc_status(const Error& error) { return {grpc_code(error.code()), error.what()}; }

GrpcResponder::GrpcResponder(std::shared_ptr<detail::Mailbox> mailbox, std::uint64_t connection,
                             std::uint32_t stream, std::shared_ptr<Cancellation> cancellation)
    : mailbox_(std::move(mailbox)),
      connection_(connection),
      stream_(stream),
      cancellation_(std::move(cancellation)) {}

GrpcResponder::~GrpcResponder() {
  if (mailbox_) finish({GrpcCode::Internal, "internal error: the request was dropped"});
}

void GrpcResponder::post(std::optional<GrpcMessage> message, std::optional<GrpcStatus> status) {
  if (!mailbox_) return;
  const bool last = status.has_value();
  const std::shared_ptr<detail::Mailbox> mailbox = mailbox_;
  if (last) mailbox_.reset();
  mailbox->post({connection_, stream_, detail::GrpcLetter{std::move(message), std::move(status)}});
}

std::chrono::nanoseconds GrpcResponder::turn() const { return mailbox_->take_turn(); }

void GrpcResponder::write(GrpcMessage message) { post(std::move(message), std::nullopt); }

void GrpcResponder::finish(GrpcStatus status) { post(std::nullopt, std::move(status)); }

void GrpcResponder::reply(GrpcMessage message) { post(std::move(message), GrpcStatus{}); }

GrpcServices::GrpcServices() = default;

GrpcServices::~GrpcServices() {
  if (tasks_) tasks_->stop();
}

void GrpcServices::add(const std::string& path, Method method) {
  if (!methods_.emplace(path, std::move(method)).second)
    fail(ErrorCode::AlreadyExists, "the gRPC method ", path, " is there already");
}

void GrpcServices::add_unary(const std::string& path, Unary handler, Look look) {
  add(path, {std::move(handler), nullptr, std::move(look)});
}

void GrpcServices::add_stream(const std::string& path, Stream handler) {
  add(path, {nullptr, std::move(handler), nullptr});
}

void GrpcServices::add_blocking(const std::string& path, Blocking handler) {
  if (!tasks_) tasks_ = std::make_shared<detail::TaskThread>();
  add_unary(path, [tasks = tasks_, handler = std::move(handler)](
                      const GrpcContext& context, BodyBuffer message, GrpcResponder& responder) {
    struct Call {
      GrpcContext context;
      BodyBuffer message;
      GrpcResponder responder;
    };
    // shared: std::function copies what it holds
    const auto call =
        std::make_shared<Call>(Call{context, std::move(message), std::move(responder)});
    tasks->post([call, handler] {
      if (call->responder.cancellation()->requested()) {
        call->responder.finish({GrpcCode::Cancelled, "the client has given up"});
        return;
      }
      try {
        call->responder.reply({handler(call->context, call->message.view()), {}, nullptr});
      } catch (const Error& error) {
        call->responder.finish(grpc_status(error));
      } catch (const std::exception& error) {
        call->responder.finish(
            {GrpcCode::Internal, std::string("internal error: ") + error.what()});
      }
    });
  });
}

const GrpcServices::Method* GrpcServices::find(const std::string& path) const {
  const auto found = methods_.find(path);
  return found == methods_.end() ? nullptr : &found->second;
}

bool GrpcServices::knows_service(std::string_view path) const {
  const std::string_view service = path.substr(0, path.rfind('/') + 1);
  const auto found = methods_.lower_bound(service);
  return service.size() > 1 && found != methods_.end() && found->first.starts_with(service);
}

}  // namespace jetcal::server
