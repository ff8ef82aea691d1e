// SPDX-License-Identifier: Apache-2.0
// Compressed bodies, with a limit to what they may become.
#include "jetcal/server/body_coding.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  jetcal::server::BodyBuffer body;
  body.reserve(size + jetcal::server::BodyBuffer::kPadding, 0);
  body.append({reinterpret_cast<const char*>(data), size});
  for (const auto coding :
       {jetcal::server::BodyCoding::Gzip, jetcal::server::BodyCoding::Deflate}) {
    jetcal::fuzz::expect_errors_only([&] {
      constexpr std::size_t kLimit = 1 << 16;
      if (jetcal::server::decode_body(body, coding, kLimit, 7).size() > kLimit) std::abort();
    });
  }
  return 0;
}
