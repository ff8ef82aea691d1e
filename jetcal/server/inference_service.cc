// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/inference_service.h"

#include <google/protobuf/util/json_util.h>
#include <inference_service.pb.h>

#include <utility>

#include "jetcal/server/detail/grpc_infer_call.h"
#include "jetcal/server/protocol_json.h"

namespace jetcal::server {
namespace {

using State = std::shared_ptr<ServiceState>;

const std::string kService = "/inference.GRPCInferenceService/";

template <typename Message>
Message parse(std::string_view bytes) {
  Message message;
  if (!std::in_range<int>(bytes.size()))  // which protobuf counts in
    fail(ErrorCode::ResourceExhausted, "the gRPC message of ", bytes.size(),
         " bytes is too large for its method");
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    fail(ErrorCode::InvalidArgument, "the gRPC message is not a valid protobuf message");
  return message;
}

// Adds a method that answers at once: Reply fill(const Request&).
template <typename Request, typename Fill>
void add(GrpcServices& services, const char* name, Fill fill) {
  services.add_unary(kService + name, [fill](const GrpcContext&, const BodyBuffer& message,
                                             GrpcResponder& responder) {
    responder.reply({fill(parse<Request>(message.view())).SerializeAsString(), {}, nullptr});
  });
}

// Adds a method that may take its time.
template <typename Request, typename Fill>
void add_slow(GrpcServices& services, const char* name, Fill fill) {
  services.add_blocking(kService + name, [fill](const GrpcContext&, std::string_view message) {
    return fill(parse<Request>(message)).SerializeAsString();
  });
}

void throw_if(const std::optional<Error>& error) {
  if (error) throw Error(*error);
}

// ---- server and models -----------------------------------------------------------------------

inference::ServerMetadataResponse server_metadata() {
  inference::ServerMetadataResponse reply;
  const nlohmann::ordered_json metadata = server_metadata_json();
  reply.set_name(metadata["name"].get<std::string>());
  reply.set_version(metadata["version"].get<std::string>());
  for (const auto& extension : metadata["extensions"])
    reply.add_extensions(extension.get<std::string>());
  return reply;
}

inference::ModelMetadataResponse model_metadata(const engine::ModelMetadata& model) {
  inference::ModelMetadataResponse reply;
  reply.set_name(model.name);
  for (const std::string& version : model.versions) reply.add_versions(version);
  reply.set_platform(model.platform);
  const auto add_specs = [](const std::vector<engine::TensorSpec>& specs, auto add_one) {
    for (const engine::TensorSpec& spec : specs) {
      inference::ModelMetadataResponse::TensorMetadata* const tensor = add_one();
      tensor->set_name(spec.name);
      tensor->set_datatype(std::string(engine::data_type_name(spec.type)));
      for (const std::int64_t size : spec.shape) tensor->add_shape(size);
    }
  };
  add_specs(model.inputs, [&] { return reply.add_inputs(); });
  add_specs(model.outputs, [&] { return reply.add_outputs(); });
  return reply;
}

inference::ModelConfigResponse model_config(const nlohmann::ordered_json& config) {
  inference::ModelConfigResponse reply;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status =
      google::protobuf::util::JsonStringToMessage(config.dump(), reply.mutable_config(), options);
  if (!status.ok())
    fail(ErrorCode::Internal, "the configuration cannot be sent: ", status.ToString());
  return reply;
}

void set_duration(inference::StatisticDuration* out, const engine::DurationSum& sum) {
  out->set_count(static_cast<std::uint64_t>(sum.count));
  out->set_ns(static_cast<std::uint64_t>(sum.ns));
}

inference::ModelStatisticsResponse statistics(const std::vector<engine::ModelStatistics>& models) {
  inference::ModelStatisticsResponse reply;
  for (const engine::ModelStatistics& model : models) {
    inference::ModelStatistics* const out = reply.add_model_stats();
    out->set_name(model.name);
    out->set_version(model.version);
    out->set_last_inference(static_cast<std::uint64_t>(model.last_inference_ms));
    out->set_inference_count(static_cast<std::uint64_t>(model.inference_count));
    out->set_execution_count(static_cast<std::uint64_t>(model.execution_count));
    inference::InferStatistics* const sums = out->mutable_inference_stats();
    set_duration(sums->mutable_success(), model.success);
    set_duration(sums->mutable_fail(), model.fail);
    set_duration(sums->mutable_queue(), model.queue);
    set_duration(sums->mutable_compute_input(), model.compute_input);
    set_duration(sums->mutable_compute_infer(), model.compute_infer);
    set_duration(sums->mutable_compute_output(), model.compute_output);
    set_duration(sums->mutable_cache_hit(), {});
    set_duration(sums->mutable_cache_miss(), {});
    for (const engine::BatchStatistics& batch : model.batches) {
      inference::InferBatchStatistics* const entry = out->add_batch_stats();
      entry->set_batch_size(static_cast<std::uint64_t>(batch.batch_size));
      set_duration(entry->mutable_compute_input(), batch.compute_input);
      set_duration(entry->mutable_compute_infer(), batch.compute_infer);
      set_duration(entry->mutable_compute_output(), batch.compute_output);
    }
  }
  return reply;
}

void add_model_calls(GrpcServices& services, const State& state) {
  add<inference::ServerLiveRequest>(services, "ServerLive", [](const auto&) {
    inference::ServerLiveResponse reply;
    reply.set_live(true);
    return reply;
  });
  add<inference::ServerReadyRequest>(services, "ServerReady", [state](const auto&) {
    inference::ServerReadyResponse reply;
    reply.set_ready(!state->draining.load() && state->backend.ready());
    return reply;
  });
  add<inference::ModelReadyRequest>(services, "ModelReady", [state](const auto& request) {
    inference::ModelReadyResponse reply;
    const auto metadata = state->backend.metadata(request.name(), request.version());
    if (!metadata.ok() && metadata.error().code() == ErrorCode::InvalidArgument)
      throw Error(metadata.error());  // a version that is no number
    reply.set_ready(!state->draining.load() &&
                    state->backend.ready(request.name(), request.version()));
    return reply;
  });
  add<inference::ServerMetadataRequest>(services, "ServerMetadata",
                                        [](const auto&) { return server_metadata(); });
  add<inference::ModelMetadataRequest>(services, "ModelMetadata", [state](const auto& request) {
    return model_metadata(state->backend.metadata(request.name(), request.version()).value());
  });
  add<inference::ModelConfigRequest>(services, "ModelConfig", [state](const auto& request) {
    return model_config(state->backend.config(request.name(), request.version()).value());
  });
  add<inference::ModelStatisticsRequest>(services, "ModelStatistics", [state](const auto& request) {
    return statistics(state->backend.statistics(request.name(), request.version()).value());
  });
}

// ---- repository ------------------------------------------------------------------------------

engine::LoadOverride load_override(const inference::RepositoryModelLoadRequest& request) {
  engine::LoadOverride override;
  for (const auto& [key, parameter] : request.parameters()) {
    if (key == "config") {
      if (!parameter.has_string_param())
        fail(ErrorCode::InvalidArgument,
             "invalid value type for load parameter 'config', expected string_param.");
      override.config = parameter.string_param();
    } else if (key.starts_with("file:")) {
      if (!parameter.has_bytes_param())
        fail(ErrorCode::InvalidArgument, "invalid value type for load parameter '", key,
             "', expected bytes_param.");
      override.files[key.substr(5)] = parameter.bytes_param();
    } else {
      fail(ErrorCode::InvalidArgument, "unrecognized load parameter '", key, "'.");
    }
  }
  return override;
}

void add_repository_calls(GrpcServices& services, const State& state) {
  add<inference::RepositoryIndexRequest>(services, "RepositoryIndex", [state](const auto& request) {
    inference::RepositoryIndexResponse reply;
    for (const engine::ModelState& model : state->backend.models()) {
      if (request.ready() && !model.ready) continue;
      auto* const entry = reply.add_models();
      entry->set_name(model.name);
      entry->set_version(model.version);
      entry->set_state(model.ready ? "READY" : "UNAVAILABLE");
      entry->set_reason(model.reason);
    }
    return reply;
  });
  add_slow<inference::RepositoryModelLoadRequest>(
      services, "RepositoryModelLoad", [state](const auto& request) {
        throw_if(state->backend.load(request.model_name(), load_override(request)));
        return inference::RepositoryModelLoadResponse();
      });
  add_slow<inference::RepositoryModelUnloadRequest>(
      services, "RepositoryModelUnload", [state](const auto& request) {
        throw_if(state->backend.unload(request.model_name()));
        return inference::RepositoryModelUnloadResponse();
      });
}

// ---- shared memory ---------------------------------------------------------------------------

void add_memory_calls(GrpcServices& services, const State& state) {
  add<inference::SystemSharedMemoryStatusRequest>(
      services, "SystemSharedMemoryStatus", [state](const auto& request) {
        inference::SystemSharedMemoryStatusResponse reply;
        for (const SharedMemoryRegions::Region& region : state->regions().list(request.name())) {
          auto& entry = (*reply.mutable_regions())[region.name];
          entry.set_name(region.name);
          entry.set_key(region.key);
          entry.set_offset(region.offset);
          entry.set_byte_size(region.byte_size);
        }
        return reply;
      });
  add<inference::SystemSharedMemoryRegisterRequest>(
      services, "SystemSharedMemoryRegister", [state](const auto& request) {
        state->regions().add(
            {request.name(), request.key(), request.offset(), request.byte_size()});
        return inference::SystemSharedMemoryRegisterResponse();
      });
  add<inference::SystemSharedMemoryUnregisterRequest>(
      services, "SystemSharedMemoryUnregister", [state](const auto& request) {
        if (request.name().empty()) {
          state->regions().clear();
        } else {
          state->regions().remove(request.name());
        }
        return inference::SystemSharedMemoryUnregisterResponse();
      });
  // There are never regions on a GPU: listing and forgetting them is easy, making one is refused.
  add<inference::CudaSharedMemoryStatusRequest>(
      services, "CudaSharedMemoryStatus", [](const auto& request) {
        if (!request.name().empty())
          fail(ErrorCode::NotFound, "Unable to find cuda shared memory region: '", request.name(),
               "'");
        return inference::CudaSharedMemoryStatusResponse();
      });
  add<inference::CudaSharedMemoryUnregisterRequest>(
      services, "CudaSharedMemoryUnregister",
      [](const auto&) { return inference::CudaSharedMemoryUnregisterResponse(); });
  add<inference::CudaSharedMemoryRegisterRequest>(
      services, "CudaSharedMemoryRegister",
      [](const auto& request) -> inference::CudaSharedMemoryRegisterResponse {
        fail(ErrorCode::InvalidArgument, "failed to register CUDA shared memory region: '",
             request.name(), "': this server infers on the CPU");
      });
}

// ---- settings --------------------------------------------------------------------------------

LogSettings::Change log_change(const inference::LogSettingsRequest& request) {
  LogSettings::Change change;
  for (const auto& [key, value] : request.settings()) {
    const auto flag = [&key = key, &value = value] {
      if (!value.has_bool_param())
        fail(ErrorCode::InvalidArgument, "expect boolean for '", key, "'");
      return value.bool_param();
    };
    const auto text = [&key = key, &value = value] {
      if (!value.has_string_param())
        fail(ErrorCode::InvalidArgument, "expect string for '", key, "'");
      return value.string_param();
    };
    if (key == "log_info") change.info = flag();
    if (key == "log_warning") change.warning = flag();
    if (key == "log_error") change.error = flag();
    if (key == "log_format") change.format = text();
    if (key == "log_file") change.file = text();
    if (key != "log_verbose_level") continue;
    if (!value.has_uint32_param())
      fail(ErrorCode::InvalidArgument, "expect unsigned int for '", key, "'");
    change.verbose_level = value.uint32_param();
  }
  return change;
}

inference::LogSettingsResponse log_reply(const LogSettings::Values& values) {
  inference::LogSettingsResponse reply;
  auto& settings = *reply.mutable_settings();
  settings["log_file"].set_string_param(values.file);
  settings["log_info"].set_bool_param(values.info);
  settings["log_warning"].set_bool_param(values.warning);
  settings["log_error"].set_bool_param(values.error);
  settings["log_verbose_level"].set_uint32_param(values.verbose_level);
  settings["log_format"].set_string_param(values.format);
  return reply;
}

void add_settings_calls(GrpcServices& services, const State& state) {
  add<inference::LogSettingsRequest>(services, "LogSettings", [state](const auto& request) {
    state->log.apply(log_change(request));
    return log_reply(state->log.values());
  });
  add<inference::TraceSettingRequest>(services, "TraceSetting", [state](const auto& request) {
    const std::string& model = request.model_name();
    check_trace_model(state->backend, model);
    TraceSettings::Values change;
    for (const auto& [key, setting] : request.settings())
      change[key] = {setting.value().begin(), setting.value().end()};
    state->trace.apply(model, change);
    inference::TraceSettingResponse reply;
    for (const auto& [key, values] : state->trace.values(model)) {
      auto& setting = (*reply.mutable_settings())[key];
      for (const std::string& value : values) setting.add_value(value);
    }
    return reply;
  });
}

// ---- grpc.health.v1 --------------------------------------------------------------------------

// HealthCheckRequest and HealthCheckResponse have one field each; this server writes them by hand.
void add_health(GrpcServices& services, const State& state) {
  services.add_unary(
      "/grpc.health.v1.Health/Check",
      [state](const GrpcContext&, const BodyBuffer& message, GrpcResponder& responder) {
        const auto request = parse<inference::ModelReadyRequest>(message.view());  // 1: a string
        const std::string& service = request.name();
        const bool server = service.empty() || service == "inference.GRPCInferenceService";
        const auto models = state->backend.models();
        const bool known = server || std::any_of(models.begin(), models.end(),
                                                 [&](const auto& m) { return m.name == service; });
        if (!known) fail(ErrorCode::NotFound, "unknown service: ", service);
        const bool ready = !state->draining.load() &&
                           (server ? state->backend.ready() : state->backend.ready(service, ""));
        constexpr char kServing = 1;
        constexpr char kNotServing = 2;
        responder.reply({std::string{'\x08', ready ? kServing : kNotServing}, {}, nullptr});
      });
}

}  // namespace

void add_inference_service(GrpcServices& services, const State& state) {
  services.set_max_message_bytes(state->options.max_body_bytes);
  services.add_unary(
      kService + "ModelInfer",
      [state](const GrpcContext&, BodyBuffer message, GrpcResponder& responder) {
        detail::start_grpc_infer(state, std::move(message), responder);
      },
      [state](std::string_view begun) { return detail::refuse_grpc_infer(*state, begun); });
  services.add_stream(kService + "ModelStreamInfer",
                      [state](const GrpcContext&, GrpcResponder responder) {
                        return detail::open_infer_stream(state, std::move(responder));
                      });
  add_model_calls(services, state);
  add_repository_calls(services, state);
  add_memory_calls(services, state);
  add_settings_calls(services, state);
  add_health(services, state);
}

}  // namespace jetcal::server
