// SPDX-License-Identifier: Apache-2.0
// What an S3 server may answer.
#include "jetcal/store/detail/s3_answer.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace detail = jetcal::store::detail;
  const std::string xml(reinterpret_cast<const char*>(data), size);
  jetcal::fuzz::expect_errors_only([&] { return detail::read_page(xml).next; });
  jetcal::fuzz::expect_errors_only([&] { return detail::read_upload(xml); });
  jetcal::fuzz::expect_errors_only([&] { return detail::read_refusal(xml).code; });
  static_cast<void>(detail::says_completed(xml));
  return 0;
}
