// SPDX-License-Identifier: Apache-2.0
// config.pbtxt, and a configuration as JSON.
#include "jetcal/engine/detail/served_model_config.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  namespace detail = jetcal::engine::detail;
  jetcal::fuzz::expect_errors_only([&] { detail::parse_config(text, "f").to_json().dump(); });
  jetcal::fuzz::expect_errors_only([&] { detail::parse_config_json(text, "f").to_json().dump(); });
  return 0;
}
