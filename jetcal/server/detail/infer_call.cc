// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/infer_call.h"

#include <algorithm>
#include <exception>
#include <new>

#include "jetcal/server/infer_reply.h"
#include "jetcal/server/status_map.h"

namespace jetcal::server::detail {
namespace {

// More JSON than this is parsed or printed off the I/O and inference threads; below, the hand-over
// costs more than the work (about 1 GB/s).
constexpr std::size_t kInlineJsonBytes = std::size_t{64} << 10;
constexpr std::int64_t kInlineJsonElements = 4096;

constexpr int kPayloadTooLarge = 413;
constexpr int kUnsupportedMediaType = 415;

}  // namespace

InferCall::InferCall(std::shared_ptr<ServiceState> state, HttpRequest request, Responder responder)
    : state_(std::move(state)), request_(std::move(request)), responder_(std::move(responder)) {}

template <typename Work>
void InferCall::guarded(Work work) {
  try {
    work();
  } catch (const OversizedBody& error) {
    responder_.send(error_reply(kPayloadTooLarge, error.what()));
  } catch (const Error& error) {
    responder_.send(error_reply(http_status(error.code()), error.what()));
  } catch (const std::bad_alloc&) {
    responder_.send(error_reply(http_status(ErrorCode::ResourceExhausted), "out of memory"));
  } catch (const std::exception& error) {
    responder_.send(error_reply(http_status(ErrorCode::Internal),
                                std::string("internal error: ") + error.what()));
  }
}

void InferCall::start(const std::string& model, const std::string& version) {
  guarded([&] {
    model_ = model;
    version_ = version;
    const auto coding = content_coding(request_.head);
    if (!coding) {
      responder_.send(error_reply(kUnsupportedMediaType,
                                  "the Content-Encoding must be gzip, deflate or identity"));
      return;
    }
    coding_ = *coding;
    reply_coding_ = accepted_coding(request_.head);
    const std::size_t json_length =
        infer_header_length(request_.head).value_or(request_.body.size());
    if (coding_ == BodyCoding::Identity && json_length <= kInlineJsonBytes) {
      prepare();
      return;
    }
    state_->parsing->post(
        [self = shared_from_this()] { self->guarded([&self] { self->prepare(); }); });
  });
}

void InferCall::parse() {
  const std::optional<std::size_t> header = infer_header_length(request_.head);
  if (coding_ != BodyCoding::Identity) {
    const std::size_t limit =
        header ? state_->options.max_body_bytes : state_->options.max_json_bytes;
    request_.body = decode_body(request_.body, coding_, limit, header.value_or(0));
  }
  const std::string_view body = request_.body.view();
  if (header == std::size_t{0}) {
    const engine::ModelMetadata metadata = state_->backend.metadata(model_, version_).value();
    const nlohmann::ordered_json config = state_->backend.config(model_, version_).value();
    parsed_ = raw_infer(body, metadata, config.value("max_batch_size", 0) > 0);
    return;
  }
  parsed_ = parse_infer(body, header.value_or(body.size()), model_, state_.get());
}

void InferCall::prepare() {
  const std::size_t json_length = infer_header_length(request_.head).value_or(0);
  if (json_length > state_->options.max_json_bytes) {
    responder_.send(error_reply(kPayloadTooLarge,
                                "the JSON part of the request is larger than " +
                                    std::to_string(state_->options.max_json_bytes) + " bytes"));
    return;
  }
  parse();
  parsed_.request.model = model_;
  parsed_.request.version = version_;
  parsed_.request.cancellation = responder_.cancellation();
  parsed_.request.run_here_within = responder_.turn();
  state_->backend.submit(parsed_.request,
                         [self = shared_from_this()](Result<engine::InferReply> result) {
                           self->guarded([&] { self->finish(std::move(result)); });
                         });
}

void InferCall::finish(Result<engine::InferReply> result) {
  engine::InferReply reply = std::move(result).value();  // throws the engine's error
  const bool classes = std::any_of(parsed_.outputs.begin(), parsed_.outputs.end(),
                                   [](const OutputPlan& plan) { return plan.classes > 0; });
  if (classes) apply_classification(parsed_, is_batched(state_->backend, reply), reply);
  const bool much =
      reply_coding_ != BodyCoding::Identity || json_elements(parsed_, reply) > kInlineJsonElements;
  if (!much) {
    write_reply(std::move(reply));
    return;
  }
  // shared: std::function copies what it holds
  auto kept = std::make_shared<engine::InferReply>(std::move(reply));
  state_->parsing->post([self = shared_from_this(), kept] {
    self->guarded([&] { self->write_reply(std::move(*kept)); });
  });
}

void InferCall::write_reply(engine::InferReply result) {
  HttpReply reply = make_infer_reply(parsed_, std::move(result));
  encode_reply(reply, reply_coding_);
  responder_.send(std::move(reply));
}

}  // namespace jetcal::server::detail
