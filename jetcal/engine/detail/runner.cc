// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/runner.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "jetcal/engine/padded_batch.h"
#include "jetcal/models/predictor.h"

namespace jetcal::engine::detail {
namespace {

class Stopwatch {
 public:
  std::int64_t lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::nanoseconds(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

class NativeRunner : public Runner {
 public:
  explicit NativeRunner(const models::Model& model)
      : predictor_(model),
        inputs_(network_inputs(model.config.network, model.config.inputs())),
        outputs_(network_outputs(models::has_resolution(model.config))) {}

  std::string_view engine() const noexcept override { return "native"; }
  const std::vector<TensorSpec>& inputs() const noexcept override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const noexcept override { return outputs_; }

  std::vector<Tensor> run(std::span<const TensorView> inputs, std::span<const std::string> outputs,
                          RunTimes& times) override {
    Stopwatch watch;
    jets_.clear();
    unpad(inputs, jets_);
    y_.resize(jets_.num_jets());
    const bool with_resolution = outputs_.size() > 1;
    if (with_resolution) resolution_.resize(y_.size());
    times.input_ns = watch.lap();
    if (with_resolution)
      predictor_.predict(jets_.view(), y_, resolution_);
    else
      predictor_.predict(jets_.view(), y_);
    times.infer_ns = watch.lap();
    std::vector<Tensor> reply;
    if (outputs.empty()) {
      for (const TensorSpec& spec : outputs_) reply.push_back(make_output(spec.name));
    }
    for (const std::string& name : outputs) reply.push_back(make_output(name));
    times.output_ns = watch.lap();
    return reply;
  }

 private:
  Tensor make_output(const std::string& name) const {
    const std::vector<float>& values = name == outputs_.front().name ? y_ : resolution_;
    Tensor output{name, DataType::Fp32, {std::ssize(values), 1}, {}};
    output.data.resize(values.size() * sizeof(float));
    if (!values.empty()) std::memcpy(output.data.data(), values.data(), output.data.size());
    return output;
  }

  models::Predictor predictor_;
  std::vector<TensorSpec> inputs_, outputs_;
  edm::FeatureBatch jets_;  // kept between requests: fresh pages cost more than the copy
  std::vector<float> y_, resolution_;
};

class OnnxRunner : public Runner {
 public:
  explicit OnnxRunner(OnnxSession session) : session_(std::move(session)) {}

  std::string_view engine() const noexcept override { return "onnxruntime"; }
  const std::vector<TensorSpec>& inputs() const noexcept override { return session_.inputs(); }
  const std::vector<TensorSpec>& outputs() const noexcept override { return session_.outputs(); }

  // Inputs are used in place and outputs copied inside run(), so all of it counts as inference.
  std::vector<Tensor> run(std::span<const TensorView> inputs, std::span<const std::string> outputs,
                          RunTimes& times) override {
    Stopwatch watch;
    std::vector<Tensor> reply = session_.run(inputs, outputs);
    times.infer_ns = watch.lap();
    return reply;
  }

 private:
  OnnxSession session_;
};

}  // namespace

std::unique_ptr<Runner> make_native_runner(const models::Model& model) {
  return std::make_unique<NativeRunner>(model);
}

std::unique_ptr<Runner> make_onnx_runner(OnnxSession session) {
  return std::make_unique<OnnxRunner>(std::move(session));
}

}  // namespace jetcal::engine::detail
