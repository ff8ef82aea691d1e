// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/onnx_session.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "jetcal/base/cpu.h"
#include "jetcal/base/error.h"
#include "jetcal/engine/detail/onnxruntime_abi.h"

namespace jetcal::engine {

using detail::OrtApi;

namespace {

// Indexed by DataType: the element types of the ONNX standard.
constexpr std::array<int, 14> kOnnxTypes{9, 2, 4, 12, 13, 3, 5, 6, 7, 10, 16, 1, 11, 8};

int onnx_type(DataType type) { return kOnnxTypes[static_cast<std::size_t>(type)]; }

std::optional<DataType> from_onnx_type(int type) {
  const auto* found = std::find(kOnnxTypes.begin(), kOnnxTypes.end(), type);
  if (found == kOnnxTypes.end()) return std::nullopt;
  return static_cast<DataType>(found - kOnnxTypes.begin());
}

// Turns a status into an exception; the codes are those of ONNX Runtime's OrtErrorCode.
void check(const OrtApi& api, detail::OrtStatus* status, ErrorCode code, const std::string& what) {
  if (status == nullptr) return;
  constexpr int kInvalidArgument = 2;
  if (code == ErrorCode::Internal && api.get_error_code(status) == kInvalidArgument)
    code = ErrorCode::InvalidArgument;
  std::string text = api.get_error_message(status);
  api.release_status(status);
  std::replace(text.begin(), text.end(), '\n', ' ');
  fail(code, what, ": ", text);
}

// Frees an object of ONNX Runtime with the function that the table names for it.
template <typename T>
struct Release {
  void (*release)(T*) noexcept;
  void operator()(T* object) const noexcept { release(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Release<T>>;

template <typename T>
Owned<T> own(T* object, void (*release)(T*) noexcept) {
  return Owned<T>(object, Release<T>{release});
}

TensorSpec read_tensor_info(const OrtApi& api, const detail::OrtTensorInfo* info,
                            const std::string& name) {
  TensorSpec spec;
  spec.name = name;
  int type = 0;
  check(api, api.get_tensor_element_type(info, &type), ErrorCode::Internal, "tensor type");
  const std::optional<DataType> known = from_onnx_type(type);
  if (!known)
    fail(ErrorCode::Unimplemented, "the tensor '", name, "' has the ONNX element type ", type,
         ", which the protocol has no name for");
  spec.type = *known;
  std::size_t rank = 0;
  check(api, api.get_dimensions_count(info, &rank), ErrorCode::Internal, "tensor rank");
  spec.shape.resize(rank);
  check(api, api.get_dimensions(info, spec.shape.data(), rank), ErrorCode::Internal,
        "tensor shape");
  return spec;
}

}  // namespace

struct OnnxSession::Impl {
  const OrtApi& api;
  Owned<detail::OrtSession> session;
  Owned<detail::OrtMemoryInfo> memory;
  std::vector<TensorSpec> inputs, outputs;

  Impl(const std::filesystem::path& path, const OnnxSessionOptions& options)
      : api(detail::ort_library().api),
        session(nullptr, Release<detail::OrtSession>{api.release_session}),
        memory(nullptr, Release<detail::OrtMemoryInfo>{api.release_memory_info}) {
    if (!std::filesystem::exists(path)) fail(ErrorCode::NotFound, "no such file: ", path.string());
    open(path, options);
    detail::OrtMemoryInfo* info = nullptr;
    constexpr int kDeviceAllocator = 0;
    constexpr int kDefaultMemory = 0;
    check(api, api.create_cpu_memory_info(kDeviceAllocator, kDefaultMemory, &info),
          ErrorCode::Internal, "ONNX Runtime memory");
    memory.reset(info);
    inputs = describe(api.session_get_input_count, api.session_get_input_name,
                      api.session_get_input_type_info);
    outputs = describe(api.session_get_output_count, api.session_get_output_name,
                       api.session_get_output_type_info);
  }

  void open(const std::filesystem::path& path, const OnnxSessionOptions& options) {
    detail::OrtSessionOptions* raw = nullptr;
    check(api, api.create_session_options(&raw), ErrorCode::Internal, "session options");
    const auto ort_options = own(raw, api.release_session_options);
    const int threads = options.threads > 0 ? options.threads : usable_cores();
    check(api, api.set_intra_op_num_threads(raw, threads), ErrorCode::Internal, "threads");
    check(api, api.set_graph_optimization_level(raw, static_cast<int>(options.optimization)),
          ErrorCode::Internal, "optimisation level");
    if (!options.memory_arena)
      check(api, api.disable_cpu_mem_arena(raw), ErrorCode::Internal, "memory arena");
    detail::OrtSession* opened = nullptr;
    check(api, api.create_session(detail::ort_library().env, path.c_str(), raw, &opened),
          ErrorCode::DataLoss, "ONNX Runtime refuses " + path.string());
    session.reset(opened);
  }

  template <typename Count, typename Name, typename Type>
  std::vector<TensorSpec> describe(Count count_of, Name name_of, Type type_of) const {
    std::size_t count = 0;
    check(api, count_of(session.get(), &count), ErrorCode::Internal, "number of tensors");
    detail::OrtAllocator* allocator = nullptr;
    check(api, api.get_default_allocator(&allocator), ErrorCode::Internal, "allocator");
    std::vector<TensorSpec> specs;
    for (std::size_t i = 0; i < count; ++i) {
      char* raw_name = nullptr;
      check(api, name_of(session.get(), i, allocator, &raw_name), ErrorCode::Internal, "name");
      const std::string name(raw_name);
      check(api, api.allocator_free(allocator, raw_name), ErrorCode::Internal, "memory");
      detail::OrtTypeInfo* raw_type = nullptr;
      check(api, type_of(session.get(), i, &raw_type), ErrorCode::Internal, "type");
      const auto type = own(raw_type, api.release_type_info);
      const detail::OrtTensorInfo* info = nullptr;
      check(api, api.cast_type_info_to_tensor_info(raw_type, &info), ErrorCode::Internal, "type");
      if (info == nullptr)
        fail(ErrorCode::Unimplemented, "'", name, "' is not a tensor but a sequence or map");
      specs.push_back(read_tensor_info(api, info, name));
    }
    return specs;
  }

  const TensorView& find_input(std::span<const TensorView> given, const TensorSpec& spec) const {
    const auto found = std::find_if(given.begin(), given.end(),
                                    [&](const TensorView& v) { return v.name == spec.name; });
    if (found == given.end())
      fail(ErrorCode::InvalidArgument, "the input '", spec.name, "' is missing");
    if (found->type != spec.type)
      fail(ErrorCode::InvalidArgument, "the input '", spec.name, "' is ",
           data_type_name(found->type), ", the model takes ", data_type_name(spec.type));
    const std::optional<std::int64_t> count = element_count(found->shape);
    const std::size_t size = data_type_size(spec.type);
    if (size == 0 && count && strings_of(found->data).size() == static_cast<std::size_t>(*count))
      return *found;
    if (!count || size == 0 || found->data.size() / size != static_cast<std::size_t>(*count) ||
        found->data.size() % size != 0)
      fail(ErrorCode::InvalidArgument, "the input '", spec.name, "' of shape ",
           shape_text(found->shape), " has ", found->data.size(), " bytes");
    return *found;
  }

  Owned<detail::OrtValue> wrap_strings(const TensorView& tensor) const {
    std::vector<std::string> texts;  // ONNX Runtime wants a zero behind each
    for (const std::string_view text : strings_of(tensor.data)) {
      if (text.find('\0') != std::string_view::npos)
        fail(ErrorCode::InvalidArgument, "a string of the input '", tensor.name,
             "' holds a zero byte, which ONNX Runtime cannot take");
      texts.emplace_back(text);
    }
    std::vector<const char*> starts;
    starts.reserve(texts.size());
    for (const std::string& text : texts) starts.push_back(text.c_str());
    detail::OrtAllocator* allocator = nullptr;
    check(api, api.get_default_allocator(&allocator), ErrorCode::Internal, "allocator");
    detail::OrtValue* value = nullptr;
    check(api,
          api.create_tensor(allocator, tensor.shape.data(), tensor.shape.size(),
                            onnx_type(tensor.type), &value),
          ErrorCode::Internal, "the input '" + tensor.name + "'");
    auto owned = own(value, api.release_value);
    check(api, api.fill_string_tensor(value, starts.data(), starts.size()), ErrorCode::Internal,
          "the input '" + tensor.name + "'");
    return owned;
  }

  Owned<detail::OrtValue> wrap(const TensorView& tensor, std::vector<std::byte>& copy) const {
    if (tensor.type == DataType::Bytes) return wrap_strings(tensor);
    const std::byte* data = tensor.data.data();
    if (reinterpret_cast<std::uintptr_t>(data) % data_type_size(tensor.type) != 0) {
      copy.assign(tensor.data.begin(), tensor.data.end());
      data = copy.data();
    }
    static std::byte nothing{};  // an empty tensor still wants an address
    detail::OrtValue* value = nullptr;
    check(api,
          api.create_tensor_with_data(memory.get(),
                                      data == nullptr ? &nothing : const_cast<std::byte*>(data),
                                      tensor.data.size(), tensor.shape.data(), tensor.shape.size(),
                                      onnx_type(tensor.type), &value),
          ErrorCode::Internal, "the input '" + tensor.name + "'");
    return own(value, api.release_value);
  }

  void unwrap_strings(const detail::OrtValue* value, Tensor& tensor) const {
    std::vector<std::size_t> begins(
        static_cast<std::size_t>(element_count(tensor.shape).value_or(0)));
    std::size_t bytes = 0;
    check(api, api.get_string_tensor_bytes(value, &bytes), ErrorCode::Internal, "output");
    std::string all(bytes, '\0');
    check(api, api.get_string_tensor(value, all.data(), bytes, begins.data(), begins.size()),
          ErrorCode::Internal, "output");
    for (std::size_t i = 0; i < begins.size(); ++i) {
      const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : bytes;
      append_string(tensor.data, std::string_view(all).substr(begins[i], end - begins[i]));
    }
  }

  Tensor unwrap(detail::OrtValue* value, const std::string& name) const {
    int is_tensor = 0;
    check(api, api.is_tensor(value, &is_tensor), ErrorCode::Internal, "output");
    if (is_tensor == 0) fail(ErrorCode::Unimplemented, "the output '", name, "' is not a tensor");
    detail::OrtTensorInfo* raw = nullptr;
    check(api, api.get_tensor_type_and_shape(value, &raw), ErrorCode::Internal, "output");
    const auto info = own(raw, api.release_tensor_info);
    const TensorSpec spec = read_tensor_info(api, raw, name);
    Tensor tensor{name, spec.type, spec.shape, {}};
    if (spec.type == DataType::Bytes) {
      unwrap_strings(value, tensor);
      return tensor;
    }
    void* data = nullptr;
    check(api, api.get_tensor_mutable_data(value, &data), ErrorCode::Internal, "output");
    tensor.data.resize(static_cast<std::size_t>(element_count(spec.shape).value_or(0)) *
                       data_type_size(spec.type));
    if (!tensor.data.empty()) std::memcpy(tensor.data.data(), data, tensor.data.size());
    return tensor;
  }
};

bool onnxruntime_available() {
  try {
    detail::ort_library();
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::string onnxruntime_version() { return detail::ort_library().version; }

OnnxSession::OnnxSession(const std::filesystem::path& path, const OnnxSessionOptions& options)
    : impl_(std::make_unique<Impl>(path, options)) {}
OnnxSession::~OnnxSession() = default;
OnnxSession::OnnxSession(OnnxSession&&) noexcept = default;
OnnxSession& OnnxSession::operator=(OnnxSession&&) noexcept = default;

const std::vector<TensorSpec>& OnnxSession::inputs() const noexcept { return impl_->inputs; }
const std::vector<TensorSpec>& OnnxSession::outputs() const noexcept { return impl_->outputs; }

std::vector<Tensor> OnnxSession::run(std::span<const TensorView> inputs,
                                     std::span<const std::string> outputs) const {
  for (const TensorView& input : inputs) {
    if (std::none_of(impl_->inputs.begin(), impl_->inputs.end(),
                     [&](const TensorSpec& spec) { return spec.name == input.name; }))
      fail(ErrorCode::InvalidArgument, "the model has no input '", input.name, "'");
  }
  std::vector<std::vector<std::byte>> copies(impl_->inputs.size());
  std::vector<Owned<detail::OrtValue>> values;
  std::vector<const detail::OrtValue*> raw_inputs;
  std::vector<const char*> input_names;
  for (std::size_t i = 0; i < impl_->inputs.size(); ++i) {
    const TensorView& tensor = impl_->find_input(inputs, impl_->inputs[i]);
    values.push_back(impl_->wrap(tensor, copies[i]));
    raw_inputs.push_back(values.back().get());
    input_names.push_back(impl_->inputs[i].name.c_str());
  }
  std::vector<const char*> output_names;
  if (outputs.empty()) {
    for (const TensorSpec& spec : impl_->outputs) output_names.push_back(spec.name.c_str());
  }
  for (const std::string& name : outputs) {
    if (std::none_of(impl_->outputs.begin(), impl_->outputs.end(),
                     [&](const TensorSpec& spec) { return spec.name == name; }))
      fail(ErrorCode::InvalidArgument, "the model has no output '", name, "'");
    output_names.push_back(name.c_str());
  }
  std::vector<detail::OrtValue*> raw_outputs(output_names.size(), nullptr);
  check(impl_->api,
        impl_->api.run(impl_->session.get(), nullptr, input_names.data(), raw_inputs.data(),
                       raw_inputs.size(), output_names.data(), output_names.size(),
                       raw_outputs.data()),
        ErrorCode::Internal, "the model fails");
  std::vector<Owned<detail::OrtValue>> owned;
  owned.reserve(raw_outputs.size());
  for (detail::OrtValue* value : raw_outputs) owned.push_back(own(value, impl_->api.release_value));
  std::vector<Tensor> tensors;
  tensors.reserve(owned.size());
  for (std::size_t i = 0; i < owned.size(); ++i)
    tensors.push_back(impl_->unwrap(owned[i].get(), output_names[i]));
  return tensors;
}

}  // namespace jetcal::engine
