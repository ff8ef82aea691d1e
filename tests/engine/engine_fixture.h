// SPDX-License-Identifier: Apache-2.0
// An engine over a repository of small models, and requests for it.
#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "jetcal/engine/engine.h"
#include "tests/engine/repository_fixture.h"

namespace jetcal::engine {

inline constexpr const char* kDoublingConfig =
    "name: \"double\" platform: \"onnxruntime_onnx\" max_batch_size: 8\n"
    "input { name: \"x\" data_type: TYPE_FP32 dims: 2 }\n"
    "output { name: \"y\" data_type: TYPE_FP32 dims: 2 }\n";

class EngineTest : public RepositoryTest {
 protected:
  Engine load(std::int64_t max_queue_size = 0) const {
    // One thread: ONNX Runtime's own are not known to the thread sanitizer.
    return Engine({folder_, {}, 1, max_queue_size});
  }
  static InferRequest request(const std::string& model, const std::vector<Tensor>& tensors) {
    InferRequest request{model, "", "id-1", {}, {}};
    for (const Tensor& tensor : tensors) request.inputs.push_back(tensor.view());
    return request;
  }
  static std::vector<Tensor> x(std::int64_t rows) {
    std::vector<float> values(2 * rows);
    std::iota(values.begin(), values.end(), 1.0F);
    return {make_tensor<float>("x", DataType::Fp32, {rows, 2}, values)};
  }
  static void expect_refused(Engine& engine, InferRequest request, ErrorCode code,
                             const std::string& text) {
    const Result<InferReply> reply = engine.infer(std::move(request));
    ASSERT_FALSE(reply.ok()) << text;
    EXPECT_EQ(reply.error().code(), code) << reply.error().what();
    EXPECT_THAT(reply.error().what(), testing::HasSubstr(text));
  }
};

}  // namespace jetcal::engine
