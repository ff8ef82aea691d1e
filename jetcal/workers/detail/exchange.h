// SPDX-License-Identifier: Apache-2.0
// One sum, broadcast or gather on its way: what is sent, what has come, what follows from it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "jetcal/workers/detail/links.h"
#include "jetcal/workers/slice.h"

namespace jetcal::workers::detail {

/// Sends a message to a peer.
using Send = std::function<void(int peer, MessageKind kind, Payload payload)>;

/// Small sums and those of two workers go directly: everybody gets everything and adds it up. In
/// others each worker adds up a segment and sends the sums to everybody.
///
/// The communicator's thread alone uses it; what the caller gave stays in place until done().
class Exchange {
 public:
  Exchange(int rank, int world)
      : rank_(rank), world_(world), parts_(static_cast<std::size_t>(world)) {}
  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  virtual void start(const Send& send) = 0;
  /// Takes a message; throws Internal when its size is not the one due.
  virtual void take(int peer, MessageKind kind, std::vector<char>&& payload, const Send& send) = 0;
  virtual bool done() const = 0;
  virtual bool urgent() const { return true; }

 protected:
  int rank_, world_;
  std::vector<std::vector<char>> parts_;  // by rank
};

/// Adds up T = float or double over the workers.
template <typename T>
class SumExchange final : public Exchange {
 public:
  SumExchange(int rank, int world, std::span<T> values)
      : Exchange(rank, world),
        values_(values),
        direct_(world == 2 ||
                static_cast<std::int64_t>(values.size_bytes()) * (world - 1) <= kDirectBytes) {}

  void start(const Send& send) override;
  void take(int peer, MessageKind kind, std::vector<char>&& payload, const Send& send) override;
  bool done() const override { return summed_ && sums_due_ == 0; }
  bool urgent() const override { return sizeof(T) == sizeof(double); }

 private:
  static constexpr std::int64_t kDirectBytes = 65536;

  Slice part(int rank) const {
    const auto count = static_cast<std::int64_t>(values_.size());
    return direct_ ? Slice{0, count} : slice_of(count, rank, world_);
  }
  Payload bytes_of(const Slice& slice) const;
  void add_up();

  std::span<T> values_;
  bool direct_;
  bool summed_ = false;
  int parts_due_ = 0, sums_due_ = 0;
};

/// Gives everybody the bytes of one worker.
class BroadcastExchange final : public Exchange {
 public:
  BroadcastExchange(int rank, int world, std::string& bytes, int root)
      : Exchange(rank, world), bytes_(bytes), root_(root) {}
  void start(const Send& send) override;
  void take(int peer, MessageKind kind, std::vector<char>&& payload, const Send& send) override;
  bool done() const override { return done_; }

 private:
  std::string& bytes_;
  int root_;
  bool done_ = false;
};

/// Gives everybody the values of everybody.
class GatherExchange final : public Exchange {
 public:
  GatherExchange(int rank, int world, std::span<const double> values,
                 std::vector<std::vector<double>>& gathered)
      : Exchange(rank, world), values_(values), gathered_(gathered), due_(world - 1) {}
  void start(const Send& send) override;
  void take(int peer, MessageKind kind, std::vector<char>&& payload, const Send& send) override;
  bool done() const override { return started_ && due_ == 0; }

 private:
  std::span<const double> values_;
  std::vector<std::vector<double>>& gathered_;
  int due_;
  bool started_ = false;
};

}  // namespace jetcal::workers::detail
