// SPDX-License-Identifier: Apache-2.0
// Whatever a client sends on a connection: HTTP/1.1, HTTP/2, gRPC, all paths of the protocol.
#include <memory>

#include "jetcal/server/oip_service.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/server/fake_backend.h"
#include "tests/server/raw_client.h"

namespace {

struct Running {
  jetcal::server::FakeBackend backend;
  jetcal::server::OipService service{backend, {100000, 200000}};
  jetcal::server::HttpServer http{{}, service};
  Running() { http.start(); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto server = std::make_unique<Running>();
  const jetcal::server::RawClient client(server->http.port());
  client.send({reinterpret_cast<const char*>(data), size});
  client.half_close();
  client.read_to_the_end();
  return 0;
}
