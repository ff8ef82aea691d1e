// SPDX-License-Identifier: Apache-2.0
// The JSON of an infer request, and what follows it: two bytes say where the JSON ends.
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/server/infer_request.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t wanted = std::size_t{data[0]} << 8U | data[1];
  jetcal::server::BodyBuffer body;
  body.reserve(size + jetcal::server::BodyBuffer::kPadding, 0);
  body.append({reinterpret_cast<const char*>(data) + 2, size - 2});
  // The largest number stands for a body without binary tensors.
  const std::size_t length = wanted == 0xFFFF ? body.size() : std::min(wanted, body.size());
  jetcal::fuzz::expect_errors_only(
      [&] { jetcal::server::parse_infer(body.view(), length, "model"); });
  return 0;
}
