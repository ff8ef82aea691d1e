// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/check_call.h"
#include "jetcal/cuda/detail/queue.h"
#include "jetcal/cuda/device.h"

namespace jetcal::cuda {

int num_devices() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // forget it: "no driver" is an answer, no failure
    return 0;
  }
  return count;
}

std::string device_description() {
  if (num_devices() == 0) fail(ErrorCode::Unavailable, "no CUDA device, or no driver for it");
  int device = 0;
  detail::check_call(cudaGetDevice(&device), "cudaGetDevice");
  cudaDeviceProp properties{};
  detail::check_call(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  return std::string(properties.name) + ", sm_" + std::to_string(properties.major) +
         std::to_string(properties.minor) + ", " + std::to_string(properties.multiProcessorCount) +
         " multiprocessors, " + std::to_string(properties.totalGlobalMem >> 20U) + " MiB";
}

namespace detail {
namespace {

cudaStream_t stream_of(const Queue& queue) { return static_cast<cudaStream_t>(queue.handle()); }

}  // namespace

void check_call(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  const ErrorCode code =
      status == cudaErrorMemoryAllocation ? ErrorCode::ResourceExhausted : ErrorCode::Internal;
  static_cast<void>(cudaGetLastError());
  fail(code, "CUDA: ", call, " failed: ", cudaGetErrorString(status));
}

Queue::Queue() {
  if (num_devices() == 0) fail(ErrorCode::Unavailable, "no CUDA device, or no driver for it");
  cudaStream_t stream = nullptr;
  check_call(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  handle_ = stream;
}

Queue::~Queue() {
  static_cast<void>(cudaStreamSynchronize(stream_of(*this)));
  static_cast<void>(cudaStreamDestroy(stream_of(*this)));
}

void Queue::synchronize() {
  check_call(cudaStreamSynchronize(stream_of(*this)), "cudaStreamSynchronize");
}

void Queue::copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_call(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(*this)),
             "cudaMemcpyAsync to the device");
}

void Queue::copy_to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_call(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(*this)),
             "cudaMemcpyAsync to the host");
}

void Queue::copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_call(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(*this)),
             "cudaMemcpyAsync on the device");
}

void Queue::fill_zero(void* to, std::size_t bytes) {
  if (bytes == 0) return;
  check_call(cudaMemsetAsync(to, 0, bytes, stream_of(*this)), "cudaMemsetAsync");
}

Event::Event() {
  cudaEvent_t event = nullptr;
  check_call(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  handle_ = event;
}

Event::~Event() { static_cast<void>(cudaEventDestroy(static_cast<cudaEvent_t>(handle_))); }

void Event::record(Queue& queue) {
  check_call(cudaEventRecord(static_cast<cudaEvent_t>(handle_), stream_of(queue)),
             "cudaEventRecord");
}

void Event::wait() {
  check_call(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_)), "cudaEventSynchronize");
}

void Event::hold(Queue& queue) {
  check_call(cudaStreamWaitEvent(stream_of(queue), static_cast<cudaEvent_t>(handle_), 0),
             "cudaStreamWaitEvent");
}

void Graph::begin(Queue& queue) {
  check_call(cudaStreamBeginCapture(stream_of(queue), cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
}

void Graph::end(Queue& queue) {
  cudaGraph_t graph = nullptr;
  check_call(cudaStreamEndCapture(stream_of(queue), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  check_call(status, "cudaGraphInstantiate");
  handle_ = executable;
}

void Graph::abandon(Queue& queue) noexcept {
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(stream_of(queue), &graph));
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());
}

void Graph::launch(Queue& queue) {
  check_call(cudaGraphLaunch(static_cast<cudaGraphExec_t>(handle_), stream_of(queue)),
             "cudaGraphLaunch");
}

Graph::~Graph() {
  if (handle_ != nullptr) {
    static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(handle_)));
  }
}

void* allocate_device(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  check_call(cudaMalloc(&memory, bytes), "cudaMalloc");
  return memory;
}

void free_device(void* memory) noexcept { static_cast<void>(cudaFree(memory)); }

void* allocate_pinned(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  check_call(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  return memory;
}

void free_pinned(void* memory) noexcept { static_cast<void>(cudaFreeHost(memory)); }

}  // namespace detail
}  // namespace jetcal::cuda
