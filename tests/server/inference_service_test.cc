// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/inference_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jetcal/server/detail/mailbox.h"
#include "tests/server/fake_backend.h"

namespace jetcal::server {
namespace {

TEST(InferenceService, RefusesAMessageThatProtobufCannotCount) {
  FakeBackend backend;
  GrpcServices services;
  add_inference_service(services, std::make_shared<ServiceState>(backend, OipOptions{}));
  BodyBuffer message;
  message.reserve(std::size_t{1} << 31U, 0);  // pages that nobody touches
  message.advance(std::size_t{1} << 31U);
  GrpcResponder responder(std::make_shared<detail::Mailbox>(), 1, 1,
                          std::make_shared<Cancellation>());
  try {
    services.find("/inference.GRPCInferenceService/ServerLive")
        ->unary({}, std::move(message), responder);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::ResourceExhausted);
    EXPECT_THAT(error.what(), testing::HasSubstr("2147483648 bytes is too large"));
  }
}

}  // namespace
}  // namespace jetcal::server
