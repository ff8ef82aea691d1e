// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/runner.h"

#include <cstring>
#include <utility>

#include "jetcal/engine/detail/stopwatch.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"

namespace jetcal::engine::detail {
namespace {

class NativeRunner : public Runner {
 public:
  explicit NativeRunner(std::shared_ptr<const models::Predictor> predictor)
      : predictor_(std::move(predictor)),
        inputs_(network_inputs(predictor_->config().network, predictor_->config().inputs())),
        outputs_(network_outputs(models::has_resolution(predictor_->config()))) {}

  std::string_view engine() const noexcept override { return "native"; }
  const std::vector<TensorSpec>& inputs() const noexcept override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const noexcept override { return outputs_; }
  // Jets of any length, padded or ragged, go into one ragged batch.
  std::string merge_key(const InferRequest&) const override { return {}; }
  std::unique_ptr<Runner> clone() const override {
    return std::make_unique<NativeRunner>(predictor_);
  }

  std::vector<std::vector<Tensor>> run(std::span<const RunRequest> requests,
                                       RunTimes& times) override {
    Stopwatch watch;
    jets_.clear();
    // Counted here: the protocol knows no batch size where max_batch_size is 0.
    std::vector<std::int64_t> ends;
    for (const RunRequest& request : requests) {
      if (is_ragged(request.inputs)) {
        append_ragged(request.inputs, jets_);
      } else {
        unpad(request.inputs, jets_);
      }
      ends.push_back(jets_.num_jets());
    }
    y_.resize(jets_.num_jets());
    const bool with_resolution = outputs_.size() > 1;
    if (with_resolution) resolution_.resize(y_.size());
    times.input_ns = watch.lap();
    if (with_resolution)
      predictor_->predict(jets_.view(), y_, resolution_);
    else
      predictor_->predict(jets_.view(), y_);
    times.infer_ns = watch.lap();
    std::vector<std::vector<Tensor>> replies;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const std::int64_t first = i == 0 ? 0 : ends[i - 1];
      std::vector<Tensor>& reply = replies.emplace_back();
      if (requests[i].outputs.empty()) {
        for (const TensorSpec& spec : outputs_)
          reply.push_back(make_output(spec.name, first, ends[i] - first));
      }
      for (const std::string& name : requests[i].outputs)
        reply.push_back(make_output(name, first, ends[i] - first));
    }
    times.output_ns = watch.lap();
    return replies;
  }

 private:
  Tensor make_output(const std::string& name, std::int64_t first, std::int64_t count) const {
    const std::vector<float>& values = name == outputs_.front().name ? y_ : resolution_;
    Tensor output{name, DataType::Fp32, {count, 1}, {}};
    output.data.resize(static_cast<std::size_t>(count) * sizeof(float));
    if (count > 0) std::memcpy(output.data.data(), values.data() + first, output.data.size());
    return output;
  }

  std::shared_ptr<const models::Predictor> predictor_;  // shared by the instances of a model
  std::vector<TensorSpec> inputs_, outputs_;
  edm::FeatureBatch jets_;  // kept between batches: fresh pages cost more than the copy
  std::vector<float> y_, resolution_;
};

}  // namespace

std::unique_ptr<Runner> make_native_runner(const models::Model& model,
                                           const models::PredictorOptions& options) {
  return std::make_unique<NativeRunner>(std::make_shared<const models::Predictor>(model, options));
}

}  // namespace jetcal::engine::detail
