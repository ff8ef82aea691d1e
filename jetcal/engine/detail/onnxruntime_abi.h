// SPDX-License-Identifier: Apache-2.0
// The part of ONNX Runtime's C interface that jetcal calls. OrtApi is a table of function pointers
// that only ever grows at its end, so each function is one fixed slot of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace jetcal::engine::detail {

struct OrtEnv;
struct OrtStatus;
struct OrtMemoryInfo;
struct OrtSession;
struct OrtValue;
struct OrtRunOptions;
struct OrtTypeInfo;
struct OrtTensorInfo;
struct OrtSessionOptions;
struct OrtAllocator;

/// Version of the table that we ask for: the oldest that holds every slot below.
inline constexpr std::uint32_t kOrtApiVersion = 12;

struct OrtApiBase {
  const void* (*get_api)(std::uint32_t version) noexcept;
  const char* (*get_version_string)() noexcept;
};

/// Copies the slots into typed pointers.
struct OrtApi {
  explicit OrtApi(const void* table);

  int (*get_error_code)(const OrtStatus*) noexcept;
  const char* (*get_error_message)(const OrtStatus*) noexcept;
  OrtStatus* (*create_env)(int severity, const char* id, OrtEnv**) noexcept;
  OrtStatus* (*create_session)(const OrtEnv*, const char* path, const OrtSessionOptions*,
                               OrtSession**) noexcept;
  OrtStatus* (*run)(OrtSession*, const OrtRunOptions*, const char* const* input_names,
                    const OrtValue* const* inputs, std::size_t num_inputs,
                    const char* const* output_names, std::size_t num_outputs,
                    OrtValue** outputs) noexcept;
  OrtStatus* (*create_session_options)(OrtSessionOptions**) noexcept;
  OrtStatus* (*disable_cpu_mem_arena)(OrtSessionOptions*) noexcept;
  OrtStatus* (*set_graph_optimization_level)(OrtSessionOptions*, int level) noexcept;
  OrtStatus* (*set_intra_op_num_threads)(OrtSessionOptions*, int) noexcept;
  OrtStatus* (*session_get_input_count)(const OrtSession*, std::size_t*) noexcept;
  OrtStatus* (*session_get_output_count)(const OrtSession*, std::size_t*) noexcept;
  OrtStatus* (*session_get_input_type_info)(const OrtSession*, std::size_t, OrtTypeInfo**) noexcept;
  OrtStatus* (*session_get_output_type_info)(const OrtSession*, std::size_t,
                                             OrtTypeInfo**) noexcept;
  OrtStatus* (*session_get_input_name)(const OrtSession*, std::size_t, OrtAllocator*,
                                       char**) noexcept;
  OrtStatus* (*session_get_output_name)(const OrtSession*, std::size_t, OrtAllocator*,
                                        char**) noexcept;
  OrtStatus* (*create_tensor_with_data)(const OrtMemoryInfo*, void* data, std::size_t bytes,
                                        const std::int64_t* shape, std::size_t rank, int type,
                                        OrtValue**) noexcept;
  OrtStatus* (*create_tensor)(OrtAllocator*, const std::int64_t* shape, std::size_t rank, int type,
                              OrtValue**) noexcept;
  OrtStatus* (*is_tensor)(const OrtValue*, int*) noexcept;
  OrtStatus* (*get_tensor_mutable_data)(OrtValue*, void**) noexcept;
  OrtStatus* (*fill_string_tensor)(OrtValue*, const char* const* texts, std::size_t count) noexcept;
  OrtStatus* (*get_string_tensor_bytes)(const OrtValue*, std::size_t*) noexcept;
  OrtStatus* (*get_string_tensor)(const OrtValue*, void* text, std::size_t bytes,
                                  std::size_t* offsets, std::size_t count) noexcept;
  OrtStatus* (*cast_type_info_to_tensor_info)(const OrtTypeInfo*, const OrtTensorInfo**) noexcept;
  OrtStatus* (*get_tensor_element_type)(const OrtTensorInfo*, int*) noexcept;
  OrtStatus* (*get_dimensions_count)(const OrtTensorInfo*, std::size_t*) noexcept;
  OrtStatus* (*get_dimensions)(const OrtTensorInfo*, std::int64_t*, std::size_t) noexcept;
  OrtStatus* (*get_tensor_type_and_shape)(const OrtValue*, OrtTensorInfo**) noexcept;
  OrtStatus* (*create_cpu_memory_info)(int allocator_type, int memory_type,
                                       OrtMemoryInfo**) noexcept;
  OrtStatus* (*allocator_free)(OrtAllocator*, void*) noexcept;
  OrtStatus* (*get_default_allocator)(OrtAllocator**) noexcept;
  void (*release_env)(OrtEnv*) noexcept;
  void (*release_status)(OrtStatus*) noexcept;
  void (*release_memory_info)(OrtMemoryInfo*) noexcept;
  void (*release_session)(OrtSession*) noexcept;
  void (*release_value)(OrtValue*) noexcept;
  void (*release_type_info)(OrtTypeInfo*) noexcept;
  void (*release_tensor_info)(OrtTensorInfo*) noexcept;
  void (*release_session_options)(OrtSessionOptions*) noexcept;
};

/// ONNX Runtime, loaded into this process once and never unloaded.
struct OrtLibrary {
  OrtApi api;
  std::string version;
  OrtEnv* env;
};

/// Loads the library at first use. Throws Unimplemented, naming what was tried, when it is not
/// there or too old.
const OrtLibrary& ort_library();

}  // namespace jetcal::engine::detail
