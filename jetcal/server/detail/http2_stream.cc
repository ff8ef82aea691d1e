// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/detail/http2_stream.h"

#include <algorithm>
#include <cstring>

namespace jetcal::server::detail {

void StreamOutput::add(std::string bytes) {
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  parts_.push_back({std::move(bytes), {}, nullptr});
}

void StreamOutput::add(HttpReply reply) {
  add(std::move(reply.body));
  for (const auto part : reply.tail) {
    if (part.empty()) continue;
    bytes_ += part.size();
    parts_.push_back({{}, part, reply.tail_owner});
  }
}

std::size_t StreamOutput::take(std::uint8_t* out, std::size_t room) {
  std::size_t done = 0;
  while (done < room && !parts_.empty()) {
    const Part& part = parts_.front();
    const auto* data =
        part.text.empty() ? reinterpret_cast<const char*>(part.view.data()) : part.text.data();
    const std::size_t size = part.text.empty() ? part.view.size() : part.text.size();
    const std::size_t step = std::min(room - done, size - taken_);
    std::memcpy(out + done, data + taken_, step);
    done += step;
    taken_ += step;
    if (taken_ < size) break;
    parts_.pop_front();
    taken_ = 0;
  }
  bytes_ -= done;
  return done;
}

}  // namespace jetcal::server::detail
