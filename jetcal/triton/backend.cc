// SPDX-License-Identifier: Apache-2.0
// The entry points that tritonserver calls: one network a model, one ragged batch an execution.
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/edm/features.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
#include "jetcal/models/predictor.h"
#include "jetcal/triton/detail/triton_abi.h"

namespace jetcal::triton::detail {
namespace {

int triton_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::AlreadyExists:
    case ErrorCode::Cancelled:
      return kErrorInvalidArgument;
    case ErrorCode::NotFound:
      return kErrorNotFound;
    case ErrorCode::ResourceExhausted:
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Unavailable:
    case ErrorCode::DeadlineExceeded:
      return kErrorUnavailable;
    case ErrorCode::Unimplemented:
      return kErrorUnsupported;
    case ErrorCode::DataLoss:
    case ErrorCode::Internal:
      return kErrorInternal;
  }
  return kErrorInternal;
}

// Turns an error of the server into ours.
void check(TRITONSERVER_Error* error) {
  if (error == nullptr) return;
  const std::string text = TRITONSERVER_ErrorMessage(error);
  TRITONSERVER_ErrorDelete(error);
  fail(ErrorCode::Internal, text);
}

// Forgets an error that nobody could act on.
void drop(TRITONSERVER_Error* error) {
  if (error != nullptr) TRITONSERVER_ErrorDelete(error);
}

// Runs what may throw; no exception may reach the server, which calls through C.
template <typename Work>
TRITONSERVER_Error* guarded(Work work) noexcept {
  try {
    work();
    return nullptr;
  } catch (const Error& error) {
    return TRITONSERVER_ErrorNew(triton_code(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return TRITONSERVER_ErrorNew(kErrorUnavailable, "out of memory");
  } catch (const std::exception& error) {
    return TRITONSERVER_ErrorNew(kErrorInternal, error.what());
  }
}

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

/// A loaded network; instances share it.
struct Network {
  Network(const models::Model& model, const models::PredictorOptions& options)
      : predictor(model, options),
        inputs(engine::network_inputs(model.config.network, model.config.inputs())),
        outputs(engine::network_outputs(models::has_resolution(model.config))) {}

  models::Predictor predictor;
  std::vector<engine::TensorSpec> inputs, outputs;
};

/// What an instance keeps between executions: fresh pages cost more than the copy.
struct Workspace {
  edm::FeatureBatch jets;
  std::vector<float> y, resolution;
};

/// One request of an execution: its inputs as views, where it is in the batch, how it went.
struct Entry {
  TRITONBACKEND_Request* request = nullptr;
  std::vector<engine::TensorView> inputs;
  std::vector<std::unique_ptr<std::byte[]>> gathered;  // inputs that came in several buffers
  std::vector<std::string> outputs;
  std::int64_t first_jet = 0, num_jets = 0;
  TRITONSERVER_Error* error = nullptr;
};

engine::TensorView read_input(TRITONBACKEND_Input* input, Entry& entry) {
  const char* name = nullptr;
  int type = 0;
  const std::int64_t* shape = nullptr;
  std::uint32_t rank = 0;
  std::uint64_t size = 0;
  std::uint32_t buffers = 0;
  check(TRITONBACKEND_InputProperties(input, &name, &type, &shape, &rank, &size, &buffers));
  engine::TensorView tensor;
  tensor.name = name;
  tensor.type = type == kTypeInt32   ? engine::DataType::Int32
                : type == kTypeInt64 ? engine::DataType::Int64
                                     : engine::DataType::Fp32;
  if (type != kTypeInt32 && type != kTypeInt64 && type != kTypeFp32)
    fail(ErrorCode::InvalidArgument, "the input '", name, "' is neither FP32 nor INT32 nor INT64");
  tensor.shape.assign(shape, shape + rank);
  std::unique_ptr<std::byte[]> joined;
  if (buffers > 1) joined = std::make_unique<std::byte[]>(size);
  std::uint64_t done = 0;
  for (std::uint32_t i = 0; i < buffers; ++i) {
    const void* bytes = nullptr;
    std::uint64_t count = 0;
    int memory = kMemoryCpu;
    std::int64_t memory_id = 0;
    check(TRITONBACKEND_InputBuffer(input, i, &bytes, &count, &memory, &memory_id));
    if (memory != kMemoryCpu && memory != kMemoryPinned)
      fail(ErrorCode::Unimplemented, "the input '", name, "' lies in the memory of a GPU");
    if (joined) std::memcpy(joined.get() + done, bytes, count);
    if (!joined) tensor.data = {static_cast<const std::byte*>(bytes), count};
    done += count;
  }
  if (joined) {
    tensor.data = {joined.get(), done};
    entry.gathered.push_back(std::move(joined));
  }
  return tensor;
}

// The server has held shapes against the configuration, not the sizes that belong together.
std::int64_t check_padded(const std::vector<engine::TensorView>& inputs, const Network& network) {
  const engine::TensorView* mask = nullptr;
  for (const engine::TensorView& input : inputs) {
    if (input.name == "pf_mask") mask = &input;
  }
  if (mask == nullptr || mask->shape.size() != 3 || inputs.size() != network.inputs.size())
    fail(ErrorCode::InvalidArgument, "expected ", network.inputs.size(),
         " inputs with pf_mask of 3 dimensions, got ", inputs.size());
  for (const engine::TensorView& input : inputs) {
    const engine::TensorSpec* spec = nullptr;
    for (const engine::TensorSpec& known : network.inputs) {
      if (known.name == input.name) spec = &known;
    }
    const std::int64_t count = engine::element_count(input.shape).value_or(-1);
    const bool fits = spec != nullptr && input.type == engine::DataType::Fp32 &&
                      input.shape.size() == spec->shape.size() &&
                      input.shape[0] == mask->shape[0] &&
                      (spec->shape[1] == -1 || input.shape[1] == spec->shape[1]) &&
                      (input.shape.size() < 3 || input.shape[2] == mask->shape[2]) &&
                      input.data.size() == static_cast<std::size_t>(count) * sizeof(float);
    if (!fits)
      fail(ErrorCode::InvalidArgument, "unexpected shape for input '", input.name,
           "': ", engine::shape_text(input.shape), " beside pf_mask of ",
           engine::shape_text(mask->shape));
  }
  return mask->shape[0];
}

void read_request(const Network& network, Entry& entry, edm::FeatureBatch& jets) {
  std::uint32_t count = 0;
  check(TRITONBACKEND_RequestInputCount(entry.request, &count));
  for (std::uint32_t i = 0; i < count; ++i) {
    TRITONBACKEND_Input* input = nullptr;
    check(TRITONBACKEND_RequestInputByIndex(entry.request, i, &input));
    entry.inputs.push_back(read_input(input, entry));
  }
  check(TRITONBACKEND_RequestOutputCount(entry.request, &count));
  for (std::uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    check(TRITONBACKEND_RequestOutputName(entry.request, i, &name));
    entry.outputs.emplace_back(name);
  }
  entry.first_jet = jets.num_jets();
  if (engine::is_ragged(entry.inputs)) {
    if (const auto problem = engine::check_ragged(entry.inputs, network.inputs, entry.num_jets))
      fail(ErrorCode::InvalidArgument, *problem);
    engine::append_ragged(entry.inputs, jets);
  } else {
    entry.num_jets = check_padded(entry.inputs, network);
    engine::unpad(entry.inputs, jets);
  }
}

// Returns the values of an output; config.pbtxt may list one that the network does not have.
const std::vector<float>& values_of(const Network& network, const Workspace& work,
                                    const std::string& name) {
  if (name == network.outputs.front().name) return work.y;
  if (network.outputs.size() > 1 && name == network.outputs[1].name) return work.resolution;
  fail(ErrorCode::InvalidArgument, "the network has no output '", name, "'");
}

void respond(const Network& network, const Workspace& work, Entry& entry) {
  TRITONBACKEND_Response* response = nullptr;
  check(TRITONBACKEND_ResponseNew(&response, entry.request));
  TRITONSERVER_Error* error = std::exchange(entry.error, nullptr);
  if (error == nullptr) {
    error = guarded([&] {
      for (const std::string& name : entry.outputs) {
        const std::vector<float>& values = values_of(network, work, name);
        const std::int64_t shape[] = {entry.num_jets, 1};
        TRITONBACKEND_Output* output = nullptr;
        check(TRITONBACKEND_ResponseOutput(response, &output, name.c_str(), kTypeFp32, shape, 2));
        const std::uint64_t size = static_cast<std::uint64_t>(entry.num_jets) * sizeof(float);
        void* buffer = nullptr;
        int memory = kMemoryCpu;
        std::int64_t memory_id = 0;
        check(TRITONBACKEND_OutputBuffer(output, &buffer, size, &memory, &memory_id));
        if (memory != kMemoryCpu && memory != kMemoryPinned)
          fail(ErrorCode::Unimplemented, "the output '", name, "' goes to the memory of a GPU");
        if (size > 0) std::memcpy(buffer, values.data() + entry.first_jet, size);
      }
    });
  }
  const bool failed = error != nullptr;
  TRITONSERVER_Error* const unsent = TRITONBACKEND_ResponseSend(response, kFinalResponse, error);
  if (unsent != nullptr) TRITONSERVER_ErrorDelete(unsent);
  if (failed) TRITONSERVER_ErrorDelete(error);
}

void predict(const Network& network, Workspace& work) {
  work.y.resize(static_cast<std::size_t>(work.jets.num_jets()));
  if (network.outputs.size() > 1) {
    work.resolution.resize(work.y.size());
    network.predictor.predict(work.jets.view(), work.y, work.resolution);
  } else {
    network.predictor.predict(work.jets.view(), work.y);
  }
}

// Reads all requests into one ragged batch, runs it, answers each. A request that cannot be read
// does not disturb the others.
void execute(TRITONBACKEND_ModelInstance* instance, const Network& network, Workspace& work,
             TRITONBACKEND_Request** requests, std::uint32_t count) {
  const std::uint64_t begun = now_ns();
  work.jets.clear();
  std::vector<Entry> entries(count);
  std::vector<bool> good(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    entries[i].request = requests[i];
    entries[i].error = guarded([&] { read_request(network, entries[i], work.jets); });
  }
  const std::uint64_t compute_begun = now_ns();
  const bool any = work.jets.num_jets() > 0;
  const std::string failure = [&]() -> std::string {
    try {
      if (any) predict(network, work);
      return "";
    } catch (const std::exception& error) {
      return error.what();
    }
  }();
  const std::uint64_t compute_ended = now_ns();
  for (std::uint32_t i = 0; i < count; ++i) {
    Entry& entry = entries[i];
    if (entry.error == nullptr && !failure.empty())
      entry.error = TRITONSERVER_ErrorNew(kErrorInternal, failure.c_str());
    good[i] = entry.error == nullptr;
    TRITONSERVER_Error* const lost = guarded([&] { respond(network, work, entry); });
    if (lost != nullptr) TRITONSERVER_ErrorDelete(lost);
  }
  const std::uint64_t ended = now_ns();
  for (std::uint32_t i = 0; i < count; ++i) {
    drop(TRITONBACKEND_ModelInstanceReportStatistics(instance, requests[i], good[i], begun,
                                                     compute_begun, compute_ended, ended));
    drop(TRITONBACKEND_RequestRelease(requests[i], kReleaseAll));
  }
  if (any && failure.empty())
    drop(TRITONBACKEND_ModelInstanceReportBatchStatistics(
        instance, static_cast<std::uint64_t>(work.jets.num_jets()), begun, compute_begun,
        compute_ended, ended));
}

// Returns what config.pbtxt says under parameters, or nothing.
std::string model_parameter(TRITONBACKEND_Model* model, const char* name) {
  constexpr std::uint32_t kConfigVersion = 1;
  TRITONSERVER_Message* message = nullptr;
  check(TRITONBACKEND_ModelConfig(model, kConfigVersion, &message));
  const char* text = nullptr;
  std::size_t size = 0;
  TRITONSERVER_Error* const error = TRITONSERVER_MessageSerializeToJson(message, &text, &size);
  const std::string config = error == nullptr ? std::string(text, size) : std::string("{}");
  drop(TRITONSERVER_MessageDelete(message));
  check(error);
  const auto parameters =
      nlohmann::json::parse(config).value("parameters", nlohmann::json::object());
  return parameters.value(name, nlohmann::json::object()).value("string_value", std::string());
}

std::unique_ptr<Network> load(TRITONBACKEND_Model* model) {
  int artifact = 0;
  const char* location = nullptr;
  std::uint64_t version = 0;
  check(TRITONBACKEND_ModelRepository(model, &artifact, &location));
  check(TRITONBACKEND_ModelVersion(model, &version));
  const std::filesystem::path file =
      std::filesystem::path(location) / std::to_string(version) / "model.jetcal";
  const std::string precision = model_parameter(model, "precision");
  return std::make_unique<Network>(
      models::load_model(file),
      precision.empty() ? models::PredictorOptions{} : models::predictor_options(precision));
}

}  // namespace
}  // namespace jetcal::triton::detail

using namespace jetcal::triton::detail;

extern "C" {

TRITONSERVER_Error* TRITONBACKEND_Initialize(TRITONBACKEND_Backend*) {
  return guarded([] {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    check(TRITONBACKEND_ApiVersion(&major, &minor));
    if (major != kApiMajor || minor < kApiMinor)
      jetcal::fail(jetcal::ErrorCode::Unimplemented, "this server has version ", major, ".", minor,
                   " of the backend interface, the jetcal backend needs ", kApiMajor, ".",
                   kApiMinor);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* model) {
  return guarded([&] {
    std::unique_ptr<Network> network = load(model);
    check(TRITONBACKEND_ModelSetState(model, network.get()));
    static_cast<void>(network.release());
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* model) {
  return guarded([&] {
    void* state = nullptr;
    check(TRITONBACKEND_ModelState(model, &state));
    delete static_cast<Network*>(state);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* instance) {
  return guarded([&] {
    auto work = std::make_unique<Workspace>();
    check(TRITONBACKEND_ModelInstanceSetState(instance, work.get()));
    static_cast<void>(work.release());
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* instance) {
  return guarded([&] {
    void* state = nullptr;
    check(TRITONBACKEND_ModelInstanceState(instance, &state));
    delete static_cast<Workspace*>(state);
  });
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* instance,
                                                       TRITONBACKEND_Request** requests,
                                                       std::uint32_t count) {
  return guarded([&] {
    TRITONBACKEND_Model* model = nullptr;
    void* network = nullptr;
    void* work = nullptr;
    check(TRITONBACKEND_ModelInstanceModel(instance, &model));
    check(TRITONBACKEND_ModelState(model, &network));
    check(TRITONBACKEND_ModelInstanceState(instance, &work));
    execute(instance, *static_cast<const Network*>(network), *static_cast<Workspace*>(work),
            requests, count);
  });
}

}  // extern "C"
