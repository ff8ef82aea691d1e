// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/runner.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/ragged_batch.h"
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
    for (const RunRequest& request : requests) {
      if (is_ragged(request.inputs)) {
        append_ragged(request.inputs, jets_);
      } else {
        unpad(request.inputs, jets_);
      }
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
    std::int64_t first = 0;
    for (const RunRequest& request : requests) {
      std::vector<Tensor>& reply = replies.emplace_back();
      if (request.outputs.empty()) {
        for (const TensorSpec& spec : outputs_)
          reply.push_back(make_output(spec.name, first, request.batch_size));
      }
      for (const std::string& name : request.outputs)
        reply.push_back(make_output(name, first, request.batch_size));
      first += request.batch_size;
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

class OnnxRunner : public Runner {
 public:
  explicit OnnxRunner(std::shared_ptr<const OnnxSession> session) : session_(std::move(session)) {}

  std::string_view engine() const noexcept override { return "onnxruntime"; }
  const std::vector<TensorSpec>& inputs() const noexcept override { return session_->inputs(); }
  const std::vector<TensorSpec>& outputs() const noexcept override { return session_->outputs(); }
  std::unique_ptr<Runner> clone() const override { return std::make_unique<OnnxRunner>(session_); }

  // Rows of one batch must have one shape; names are part of it because inputs may be optional.
  std::string merge_key(const InferRequest& request) const override {
    std::vector<std::string> parts;
    for (const TensorView& input : request.inputs) {
      const bool batched = !input.shape.empty();
      parts.push_back(input.name + shape_text(std::span(input.shape).subspan(batched ? 1 : 0)));
    }
    std::sort(parts.begin(), parts.end());
    std::string key;
    for (const std::string& part : parts) key += part + ";";
    return key;
  }

  // Inputs of a single request are used in place and its outputs copied inside run(), so all of it
  // counts as inference.
  std::vector<std::vector<Tensor>> run(std::span<const RunRequest> requests,
                                       RunTimes& times) override {
    Stopwatch watch;
    std::vector<std::vector<Tensor>> replies;
    if (requests.size() == 1) {
      replies.push_back(session_->run(requests.front().inputs, requests.front().outputs));
      times.infer_ns = watch.lap();
      return replies;
    }
    const std::vector<Tensor> joined = join(requests);
    std::vector<TensorView> views;
    for (const Tensor& tensor : joined) views.push_back(tensor.view());
    const std::vector<std::string> wanted = union_of_outputs(requests);
    times.input_ns = watch.lap();
    const std::vector<Tensor> outputs = session_->run(views, wanted);
    times.infer_ns = watch.lap();
    replies = split(requests, outputs);
    times.output_ns = watch.lap();
    return replies;
  }

 private:
  static std::vector<Tensor> join(std::span<const RunRequest> requests) {
    std::vector<Tensor> joined;
    for (const TensorView& input : requests.front().inputs) {
      Tensor tensor{input.name, input.type, input.shape, {}};
      tensor.shape.front() = 0;
      for (const RunRequest& request : requests) {
        const auto same = std::find_if(request.inputs.begin(), request.inputs.end(),
                                       [&](const TensorView& t) { return t.name == input.name; });
        tensor.shape.front() += same->shape.front();
        tensor.data.insert(tensor.data.end(), same->data.begin(), same->data.end());
      }
      joined.push_back(std::move(tensor));
    }
    return joined;
  }

  // Empty, which means all, as soon as one request wants all.
  static std::vector<std::string> union_of_outputs(std::span<const RunRequest> requests) {
    std::vector<std::string> wanted;
    for (const RunRequest& request : requests) {
      if (request.outputs.empty()) return {};
      for (const std::string& name : request.outputs) {
        if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) wanted.push_back(name);
      }
    }
    return wanted;
  }

  static std::vector<std::vector<Tensor>> split(std::span<const RunRequest> requests,
                                                const std::vector<Tensor>& outputs) {
    std::int64_t total = 0;
    for (const RunRequest& request : requests) total += request.batch_size;
    std::vector<std::vector<Tensor>> replies(requests.size());
    for (const Tensor& output : outputs) {
      if (output.type == DataType::Bytes || output.shape.empty() || output.shape.front() != total)
        fail(ErrorCode::Internal, "output '", output.name, "' of shape ", shape_text(output.shape),
             " cannot be divided among the requests of a batch of ", total);
      const std::size_t row = output.data.size() / static_cast<std::size_t>(total);
      std::size_t first = 0;
      for (std::size_t i = 0; i < requests.size(); ++i) {
        const std::size_t bytes = row * static_cast<std::size_t>(requests[i].batch_size);
        const auto& names = requests[i].outputs;
        if (names.empty() || std::find(names.begin(), names.end(), output.name) != names.end()) {
          Tensor part{output.name, output.type, output.shape, {}};
          part.shape.front() = requests[i].batch_size;
          const auto begin = output.data.begin() + static_cast<std::ptrdiff_t>(first);
          part.data.assign(begin, begin + static_cast<std::ptrdiff_t>(bytes));
          replies[i].push_back(std::move(part));
        }
        first += bytes;
      }
    }
    return replies;
  }

  std::shared_ptr<const OnnxSession> session_;  // shared by the instances of a model
};

}  // namespace

std::unique_ptr<Runner> make_native_runner(const models::Model& model) {
  return std::make_unique<NativeRunner>(std::make_shared<const models::Predictor>(model));
}

std::unique_ptr<Runner> make_onnx_runner(OnnxSession session) {
  return std::make_unique<OnnxRunner>(std::make_shared<const OnnxSession>(std::move(session)));
}

}  // namespace jetcal::engine::detail
