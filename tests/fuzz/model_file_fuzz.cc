// SPDX-License-Identifier: Apache-2.0
// The model file: safetensors with our metadata.
#include "jetcal/models/model.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const jetcal::fuzz::MemoryFile file(data, size);
  jetcal::fuzz::expect_errors_only([&] { jetcal::models::load_model(file.path()); });
  return 0;
}
