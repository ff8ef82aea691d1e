// SPDX-License-Identifier: Apache-2.0
// Streams, events, graphs and memory of the device, behind types that need no CUDA header.
//
// Two libraries implement it: queue_cuda.cu on a GPU, and queue_emulated.cc in plain C++, where the
// device's memory is the host's and everything runs at once. The tests run on both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

namespace jetcal::cuda::detail {

/// Runs work in the order in which it was given, beside the host. Every failure throws Internal,
/// ResourceExhausted for memory, and names the call.
class Queue {
 public:
  Queue();
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void* handle() const noexcept { return handle_; }
  void synchronize();

  void copy_to_device(void* to, const void* from, std::size_t bytes);
  void copy_to_host(void* to, const void* from, std::size_t bytes);
  void copy_on_device(void* to, const void* from, std::size_t bytes);
  void fill_zero(void* to, std::size_t bytes);

  /// Emulation only: runs the work at once, or notes it for the graph that is being recorded.
  void emulate(const std::function<void()>& work);
  void* set_recording(void* recording) noexcept { return std::exchange(handle_, recording); }

 private:
  void* handle_ = nullptr;
};

/// Marks a place in a queue that the host or another queue can wait for.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(Queue& queue);
  /// Makes the host wait; returns at once when nothing was recorded.
  void wait();
  /// Makes later work of the queue wait.
  void hold(Queue& queue);

 private:
  void* handle_ = nullptr;
};

/// Holds a recorded sequence of work that starts with one call. Work space must not grow between.
class Graph {
 public:
  Graph() = default;
  ~Graph();
  Graph(Graph&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }

  static void begin(Queue& queue);
  void end(Queue& queue);
  /// Stops a recording that failed and forgets it.
  static void abandon(Queue& queue) noexcept;
  void launch(Queue& queue);

 private:
  void* handle_ = nullptr;
};

void* allocate_device(std::size_t bytes);
void free_device(void* memory) noexcept;
/// Page-locked memory of the host, from which copies run beside the host's work.
void* allocate_pinned(std::size_t bytes);
void free_pinned(void* memory) noexcept;

/// Owns memory that only grows, a quarter more than asked, so that batches of changing size soon
/// stop allocating. Growing loses the content and waits for the device.
template <typename T, void* (*Allocate)(std::size_t), void (*Free)(void*) noexcept>
class GrowingMemory {
 public:
  GrowingMemory() = default;
  explicit GrowingMemory(std::int64_t size) { reserve(size); }
  ~GrowingMemory() { Free(data_); }
  GrowingMemory(GrowingMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
  GrowingMemory& operator=(GrowingMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  T* reserve(std::int64_t size) {
    if (size <= capacity_) return data();
    const std::int64_t wanted = capacity_ == 0 ? size : size + size / 4;
    Free(std::exchange(data_, nullptr));
    capacity_ = 0;
    data_ = Allocate(static_cast<std::size_t>(wanted) * sizeof(T));
    capacity_ = wanted;
    return data();
  }
  T* data() const noexcept { return static_cast<T*>(data_); }
  std::int64_t capacity() const noexcept { return capacity_; }

 private:
  void* data_ = nullptr;
  std::int64_t capacity_ = 0;
};

template <typename T>
using Buffer = GrowingMemory<T, allocate_device, free_device>;
template <typename T>
using PinnedBuffer = GrowingMemory<T, allocate_pinned, free_pinned>;

template <typename T>
void upload(Queue& queue, std::span<const T> from, Buffer<T>& to) {
  queue.copy_to_device(to.reserve(static_cast<std::int64_t>(from.size())), from.data(),
                       from.size_bytes());
}

}  // namespace jetcal::cuda::detail
