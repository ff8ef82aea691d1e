// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/detail/exchange.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "jetcal/base/error.h"

namespace jetcal::workers::detail {
namespace {

Payload copy_of(const void* data, std::size_t size) {
  const auto* const begin = static_cast<const char*>(data);
  return std::make_shared<const std::vector<char>>(begin, begin + size);
}

void require_size(int peer, std::size_t got, std::size_t want) {
  if (got == want) return;
  fail(ErrorCode::Internal, "rank ", peer, " sent ", got, " bytes where ", want,
       " were due: the workers do not run the same job");
}

void send_to_others(int rank, int world, MessageKind kind, const Payload& payload,
                    const Send& send) {
  // Not everybody to the lowest rank first.
  for (int step = 1; step < world; ++step) send((rank + step) % world, kind, payload);
}

}  // namespace

template <typename T>
Payload SumExchange<T>::bytes_of(const Slice& slice) const {
  return copy_of(values_.data() + slice.begin, static_cast<std::size_t>(slice.size()) * sizeof(T));
}

template <typename T>
void SumExchange<T>::start(const Send& send) {
  parts_due_ = world_ - 1;
  sums_due_ = direct_ ? 0 : world_ - 1;
  if (direct_) {
    send_to_others(rank_, world_, MessageKind::Part, bytes_of(part(rank_)), send);
  } else {
    for (int step = 1; step < world_; ++step) {
      const int peer = (rank_ + step) % world_;
      send(peer, MessageKind::Part, bytes_of(part(peer)));
    }
  }
  if (world_ == 1) summed_ = true;
}

template <typename T>
void SumExchange<T>::take(int peer, MessageKind kind, std::vector<char>&& payload,
                          const Send& send) {
  if (kind == MessageKind::Sum) {
    const Slice slice = part(peer);
    require_size(peer, payload.size(), static_cast<std::size_t>(slice.size()) * sizeof(T));
    if (!payload.empty()) std::memcpy(values_.data() + slice.begin, payload.data(), payload.size());
    --sums_due_;
    return;
  }
  require_size(peer, payload.size(), static_cast<std::size_t>(part(rank_).size()) * sizeof(T));
  parts_[static_cast<std::size_t>(peer)] = std::move(payload);
  if (--parts_due_ > 0) return;
  add_up();
  if (!direct_) send_to_others(rank_, world_, MessageKind::Sum, bytes_of(part(rank_)), send);
  summed_ = true;
}

// In the order of the ranks and in double, so that it does not matter who adds up, nor when.
template <typename T>
void SumExchange<T>::add_up() {
  const Slice slice = part(rank_);
  std::vector<double> sum(static_cast<std::size_t>(slice.size()), 0.0);
  for (int rank = 0; rank < world_; ++rank) {
    const T* const own = values_.data() + slice.begin;
    const T* const from =
        rank == rank_ ? own
                      : reinterpret_cast<const T*>(parts_[static_cast<std::size_t>(rank)].data());
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(from[i]);
  }
  for (std::size_t i = 0; i < sum.size(); ++i) {
    values_[static_cast<std::size_t>(slice.begin) + i] = static_cast<T>(sum[i]);
  }
  parts_.clear();
}

template class SumExchange<float>;
template class SumExchange<double>;

void BroadcastExchange::start(const Send& send) {
  if (rank_ != root_) return;
  send_to_others(rank_, world_, MessageKind::Part, copy_of(bytes_.data(), bytes_.size()), send);
  done_ = true;
}

void BroadcastExchange::take(int peer, MessageKind /*kind*/, std::vector<char>&& payload,
                             const Send& /*send*/) {
  if (peer != root_ || done_) {
    fail(ErrorCode::Internal, "rank ", peer, " sent something that was not due: the workers do not",
         " run the same job");
  }
  bytes_.assign(payload.begin(), payload.end());
  done_ = true;
}

void GatherExchange::start(const Send& send) {
  gathered_.assign(static_cast<std::size_t>(world_), {});
  gathered_[static_cast<std::size_t>(rank_)].assign(values_.begin(), values_.end());
  send_to_others(rank_, world_, MessageKind::Part, copy_of(values_.data(), values_.size_bytes()),
                 send);
  started_ = true;
}

void GatherExchange::take(int peer, MessageKind /*kind*/, std::vector<char>&& payload,
                          const Send& /*send*/) {
  require_size(peer, payload.size() % sizeof(double), 0);
  std::vector<double>& values = gathered_[static_cast<std::size_t>(peer)];
  values.resize(payload.size() / sizeof(double));
  if (!payload.empty()) std::memcpy(values.data(), payload.data(), payload.size());
  --due_;
}

}  // namespace jetcal::workers::detail
