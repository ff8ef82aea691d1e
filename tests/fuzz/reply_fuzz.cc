// SPDX-License-Identifier: Apache-2.0
// What the client library reads: replies, and the documents of `jetcal client infer`.
#include <nlohmann/json.hpp>

#include "jetcal/client/infer_message.h"
#include "jetcal/client/jet_document.h"
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t length = std::size_t{data[0]} << 8U | data[1];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  namespace client = jetcal::client;
  jetcal::fuzz::expect_errors_only(
      [&] { client::to_json(client::decode(text, length)).dump(-1, ' ', true); });
  jetcal::fuzz::expect_errors_only([&] { client::encode(client::parse_request(text)); });
  jetcal::fuzz::expect_errors_only([&] { client::parse_jets(text, {}); });
  return 0;
}
