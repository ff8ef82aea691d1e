// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/onnxruntime_abi.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "jetcal/base/error.h"

#ifdef __SANITIZE_THREAD__
// ONNX Runtime is not built for the thread sanitizer, which sees only part of its locking.
extern "C" const char* __tsan_default_suppressions();  // NOLINT: the sanitizer's name
extern "C" const char* __tsan_default_suppressions() {
  return "race:libonnxruntime.so\nmutex:libonnxruntime.so\ndeadlock:libonnxruntime.so\n";
}
#endif

namespace jetcal::engine::detail {
namespace {

template <typename Function>
void load_slot(const void* table, int slot, Function& function) {
  static_assert(sizeof(Function) == sizeof(void*));
  std::memcpy(&function, static_cast<const char*>(table) + slot * sizeof(void*), sizeof(void*));
}

}  // namespace

// Slot numbers: the order of the members of OrtApi in ONNX Runtime's public C header.
OrtApi::OrtApi(
    const void* table) {  // NOLINT(cppcoreguidelines-pro-type-member-init): all are loaded
  load_slot(table, 1, get_error_code);
  load_slot(table, 2, get_error_message);
  load_slot(table, 3, create_env);
  load_slot(table, 7, create_session);
  load_slot(table, 9, run);
  load_slot(table, 10, create_session_options);
  load_slot(table, 19, disable_cpu_mem_arena);
  load_slot(table, 23, set_graph_optimization_level);
  load_slot(table, 24, set_intra_op_num_threads);
  load_slot(table, 30, session_get_input_count);
  load_slot(table, 31, session_get_output_count);
  load_slot(table, 33, session_get_input_type_info);
  load_slot(table, 34, session_get_output_type_info);
  load_slot(table, 36, session_get_input_name);
  load_slot(table, 37, session_get_output_name);
  load_slot(table, 48, create_tensor);
  load_slot(table, 49, create_tensor_with_data);
  load_slot(table, 50, is_tensor);
  load_slot(table, 51, get_tensor_mutable_data);
  load_slot(table, 52, fill_string_tensor);
  load_slot(table, 53, get_string_tensor_bytes);
  load_slot(table, 54, get_string_tensor);
  load_slot(table, 55, cast_type_info_to_tensor_info);
  load_slot(table, 60, get_tensor_element_type);
  load_slot(table, 61, get_dimensions_count);
  load_slot(table, 62, get_dimensions);
  load_slot(table, 65, get_tensor_type_and_shape);
  load_slot(table, 69, create_cpu_memory_info);
  load_slot(table, 76, allocator_free);
  load_slot(table, 78, get_default_allocator);
  load_slot(table, 92, release_env);
  load_slot(table, 93, release_status);
  load_slot(table, 94, release_memory_info);
  load_slot(table, 95, release_session);
  load_slot(table, 96, release_value);
  load_slot(table, 98, release_type_info);
  load_slot(table, 99, release_tensor_info);
  load_slot(table, 100, release_session_options);
}

namespace {

void* open_library(std::string& tried) {
  std::vector<std::string> paths;
  if (const char* path = std::getenv("JETCAL_ONNXRUNTIME"); path != nullptr && *path != '\0') {
    paths.emplace_back(path);
  } else {
    paths.emplace_back(JETCAL_ONNXRUNTIME_LIBRARY);
    paths.emplace_back("libonnxruntime.so.1");
  }
  for (const std::string& path : paths) {
    // RTLD_LOCAL keeps its symbols away from ours; it exports one function.
    if (void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    tried += (tried.empty() ? "" : "; ") + std::string(::dlerror());
  }
  return nullptr;
}

OrtLibrary load() {
  std::string tried;
  void* library = open_library(tried);
  if (library == nullptr) fail(ErrorCode::Unimplemented, "ONNX Runtime cannot be loaded: ", tried);
  void* symbol = ::dlsym(library, "OrtGetApiBase");
  if (symbol == nullptr)
    fail(ErrorCode::Unimplemented, "the library given for ONNX Runtime has no OrtGetApiBase");
  const OrtApiBase* base = reinterpret_cast<const OrtApiBase* (*)() noexcept>(symbol)();
  const void* table = base->get_api(kOrtApiVersion);
  if (table == nullptr)
    fail(ErrorCode::Unimplemented, "ONNX Runtime ", base->get_version_string(),
         " is older than the interface version ", kOrtApiVersion);
  OrtLibrary ort{OrtApi(table), base->get_version_string(), nullptr};
  constexpr int kLogFatal = 4;  // every lesser failure comes back as a status
  if (OrtStatus* status = ort.api.create_env(kLogFatal, "jetcal", &ort.env)) {
    const std::string text = ort.api.get_error_message(status);
    ort.api.release_status(status);
    fail(ErrorCode::Internal, "ONNX Runtime does not start: ", text);
  }
  return ort;
}

}  // namespace

const OrtLibrary& ort_library() {
  // Never destroyed: sessions in static storage and ONNX Runtime's own threads may outlive us.
  static const OrtLibrary& library = *new OrtLibrary(load());
  return library;
}

}  // namespace jetcal::engine::detail
