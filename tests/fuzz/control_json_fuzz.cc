// SPDX-License-Identifier: Apache-2.0
// The other JSON bodies of HTTP: settings, shared memory, loads.
#include "jetcal/server/control_json.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  jetcal::fuzz::expect_errors_only([&] { jetcal::server::log_change_of(text); });
  jetcal::fuzz::expect_errors_only([&] { jetcal::server::trace_change_of(text); });
  jetcal::fuzz::expect_errors_only([&] { jetcal::server::memory_region_of("region", text); });
  jetcal::fuzz::expect_errors_only([&] { jetcal::server::load_override_of(text); });
  return 0;
}
