// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/grpc_infer_call.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <new>
#include <optional>

#include "jetcal/server/detail/wire_reader.h"
#include "jetcal/server/grpc_infer.h"
#include "jetcal/server/infer_reply.h"

namespace jetcal::server::detail {
namespace {

// Keeps the message alive while the engine reads it.
struct InferMessage {
  BodyBuffer bytes;
  ParsedInfer parsed;
};

GrpcMessage reply_of(const ServiceState& state, const ParsedInfer& parsed,
                     Result<engine::InferReply> result, GrpcReplyForm form) {
  engine::InferReply reply = std::move(result).value();  // throws the engine's error
  const bool classes = std::any_of(parsed.outputs.begin(), parsed.outputs.end(),
                                   [](const OutputPlan& plan) { return plan.classes > 0; });
  if (classes) apply_classification(parsed, is_batched(state.backend, reply), reply);
  return make_grpc_reply(parsed, std::move(reply), form);
}

GrpcStatus status_of_exception() {
  try {
    throw;
  } catch (const Error& error) {
    return grpc_status(error);
  } catch (const std::bad_alloc&) {
    return {GrpcCode::Unavailable, "out of memory"};
  } catch (const std::exception& error) {
    return {GrpcCode::Internal, std::string("internal error: ") + error.what()};
  }
}

void refuse_when_draining(const ServiceState& state) {
  if (state.draining.load()) fail(ErrorCode::Unavailable, "the server is shutting down");
}

}  // namespace

void start_grpc_infer(const std::shared_ptr<ServiceState>& state, BodyBuffer message,
                      GrpcResponder& responder) {
  refuse_when_draining(*state);
  struct Call {
    InferMessage message;
    GrpcResponder responder;
  };
  InferMessage kept{std::move(message), {}};
  kept.parsed = parse_grpc_infer(kept.bytes.view(), state.get());
  // shared: std::function copies what it holds
  const auto call = std::make_shared<Call>(Call{std::move(kept), std::move(responder)});
  call->message.parsed.request.cancellation = call->responder.cancellation();
  call->message.parsed.request.run_here_within = call->responder.turn();
  state->backend.submit(call->message.parsed.request, [state, call](auto result) {
    try {
      call->responder.reply(
          reply_of(*state, call->message.parsed, std::move(result), GrpcReplyForm::Unary));
    } catch (...) {
      call->responder.finish(status_of_exception());
    }
  });
}

std::optional<Error> refuse_grpc_infer(ServiceState& state, std::string_view begun) {
  std::string model, version;
  try {
    // Encoders write the fields in their order: name, version, and then what is large.
    WireReader fields(begun);
    for (auto field = fields.next(); field && field->number <= 2; field = fields.next())
      (field->number == 1 ? model : version) = field->bytes;
  } catch (const Error&) {  // the field at the end is not whole yet
  }
  return state.backend.refuse_if_full(model, version);
}

namespace {

// Puts the answers of a stream into the order of its requests. Thread-safe.
class AnswerLine {
 public:
  explicit AnswerLine(GrpcResponder responder) : responder_(std::move(responder)) {}

  const std::shared_ptr<Cancellation>& cancellation() const { return responder_.cancellation(); }
  std::chrono::nanoseconds turn() const { return responder_.turn(); }

  std::uint64_t open() {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back();
    return first_ + waiting_.size() - 1;
  }
  void answer(std::uint64_t place, GrpcMessage message) {
    const std::lock_guard lock(mutex_);
    waiting_[place - first_] = std::move(message);
    while (!waiting_.empty() && waiting_.front()) {
      responder_.write(*std::move(waiting_.front()));
      waiting_.pop_front();
      ++first_;
    }
    finish_if_done();
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    finish_if_done();
  }

 private:
  void finish_if_done() {
    if (ended_ && waiting_.empty()) responder_.finish({});
  }
  std::mutex mutex_;
  GrpcResponder responder_;
  std::deque<std::optional<GrpcMessage>> waiting_;
  std::uint64_t first_ = 0;
  bool ended_ = false;
};

class InferStream final : public GrpcReader {
 public:
  InferStream(std::shared_ptr<ServiceState> state, GrpcResponder responder)
      : state_(std::move(state)),
        line_(std::make_shared<AnswerLine>(std::move(responder))),
        requests_(std::make_shared<Requests>()) {
    line_->cancellation()->on_request([requests = requests_] { requests->cancel(); });
  }

  void on_message(BodyBuffer bytes) override {
    const std::uint64_t place = line_->open();
    // shared: std::function copies what it holds
    const auto message = std::make_shared<InferMessage>(InferMessage{std::move(bytes), {}});
    try {
      refuse_when_draining(*state_);
      message->parsed = parse_grpc_infer(message->bytes.view(), state_.get());
    } catch (...) {
      line_->answer(place, make_grpc_stream_error("", status_of_exception().message));
      return;
    }
    engine::InferRequest& request = message->parsed.request;
    request.cancellation = requests_->add(place);
    request.run_here_within = line_->turn();
    state_->backend.submit(
        request, [state = state_, line = line_, requests = requests_, message, place](auto result) {
          requests->remove(place);
          try {
            line->answer(
                place, reply_of(*state, message->parsed, std::move(result), GrpcReplyForm::Stream));
          } catch (...) {
            line->answer(place, make_grpc_stream_error(message->parsed.request.id,
                                                       status_of_exception().message));
          }
        });
  }

  void on_end() override { line_->end(); }

 private:
  // The requests of the stream that are under way, to be cancelled with it.
  class Requests {
   public:
    std::shared_ptr<Cancellation> add(std::uint64_t place) {
      const std::lock_guard lock(mutex_);
      return open_[place] = std::make_shared<Cancellation>();
    }
    void remove(std::uint64_t place) {
      const std::lock_guard lock(mutex_);
      open_.erase(place);
    }
    void cancel() {
      std::map<std::uint64_t, std::shared_ptr<Cancellation>> all;
      {
        const std::lock_guard lock(mutex_);
        all.swap(open_);
      }
      for (const auto& [place, cancellation] : all) cancellation->request();
    }

   private:
    std::mutex mutex_;
    std::map<std::uint64_t, std::shared_ptr<Cancellation>> open_;
  };

  std::shared_ptr<ServiceState> state_;  // shared with the HTTP side
  std::shared_ptr<AnswerLine> line_;     // shared with requests under way
  std::shared_ptr<Requests> requests_;   // shared as above
};

}  // namespace

std::unique_ptr<GrpcReader> open_infer_stream(const std::shared_ptr<ServiceState>& state,
                                              GrpcResponder responder) {
  return std::make_unique<InferStream>(state, std::move(responder));
}

}  // namespace jetcal::server::detail
