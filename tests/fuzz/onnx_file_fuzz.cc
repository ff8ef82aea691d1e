// SPDX-License-Identifier: Apache-2.0
// What our own reader takes from an ONNX file.
#include "jetcal/engine/onnx_metadata.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const jetcal::fuzz::MemoryFile file(data, size);
  jetcal::fuzz::expect_errors_only([&] { jetcal::engine::read_onnx_metadata(file.path()); });
  return 0;
}
