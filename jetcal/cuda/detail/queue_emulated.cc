// SPDX-License-Identifier: Apache-2.0
// The device played by the host: every call is done when it returns.
#include <cstdlib>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/cuda/detail/launch.h"
#include "jetcal/cuda/detail/queue.h"
#include "jetcal/cuda/device.h"

namespace jetcal::cuda {

int num_devices() noexcept { return 1; }

std::string device_description() { return "emulated on the host, one thread"; }

namespace detail {
namespace {

using Recording = std::vector<std::function<void()>>;

}  // namespace

bool& emulate_backwards() noexcept {
  static bool backwards = false;
  return backwards;
}

Queue::Queue() = default;
Queue::~Queue() = default;
void Queue::synchronize() {}

void Queue::emulate(const std::function<void()>& work) {
  if (handle_ == nullptr) {
    work();
  } else {
    static_cast<Recording*>(handle_)->push_back(work);
  }
}

void Queue::copy_to_device(void* to, const void* from, std::size_t bytes) {
  copy_on_device(to, from, bytes);
}
void Queue::copy_to_host(void* to, const void* from, std::size_t bytes) {
  copy_on_device(to, from, bytes);
}
void Queue::copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) emulate([=] { std::memcpy(to, from, bytes); });
}
void Queue::fill_zero(void* to, std::size_t bytes) {
  if (bytes > 0) emulate([=] { std::memset(to, 0, bytes); });
}

Event::Event() = default;
Event::~Event() = default;
void Event::record(Queue& /*queue*/) {}
void Event::wait() {}
void Event::hold(Queue& /*queue*/) {}

void Graph::begin(Queue& queue) { queue.set_recording(new Recording); }
void Graph::end(Queue& queue) { handle_ = queue.set_recording(nullptr); }
void Graph::abandon(Queue& queue) noexcept {
  delete static_cast<Recording*>(queue.set_recording(nullptr));
}
void Graph::launch(Queue& /*queue*/) {
  for (const auto& work : *static_cast<Recording*>(handle_)) work();
}
Graph::~Graph() { delete static_cast<Recording*>(handle_); }

void* allocate_device(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  // Aligned as cudaMalloc does; filled with NaN, so that reading what nobody wrote shows.
  const std::size_t rounded = (bytes + 255) / 256 * 256;
  void* const memory = std::aligned_alloc(256, rounded);
  if (memory == nullptr) fail(ErrorCode::ResourceExhausted, "out of memory: ", bytes, " bytes");
  std::memset(memory, 0xFF, rounded);
  return memory;
}
void free_device(void* memory) noexcept { std::free(memory); }
void* allocate_pinned(std::size_t bytes) { return allocate_device(bytes); }
void free_pinned(void* memory) noexcept { std::free(memory); }

}  // namespace detail
}  // namespace jetcal::cuda
