// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/inference_bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "jetcal/base/error.h"
#include "jetcal/base/threads.h"
#include "jetcal/engine/onnx_session.h"
#include "jetcal/engine/padded_batch.h"
#include "jetcal/engine/sample_jets.h"
#include "jetcal/models/predictor.h"

namespace jetcal::engine {
namespace {

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

Latency summarise(std::vector<double>& times, std::int64_t batch_size) {
  std::sort(times.begin(), times.end());
  const auto quantile = [&](double q) {
    return times[static_cast<std::size_t>(std::lround(q * static_cast<double>(times.size() - 1)))];
  };
  return {quantile(0.5), quantile(0.1), quantile(0.9),
          1e6 * static_cast<double>(batch_size) / quantile(0.5)};
}

InferenceBenchCase bench_case(const models::Model& model, const models::Predictor& predictor,
                              const OnnxSession& session, std::int64_t batch_size,
                              const InferenceBenchOptions& options) {
  const edm::FeatureBatch jets =
      sample_jets(batch_size, options.min_particles, options.max_particles, options.seed,
                  model.config.inputs());
  InferenceBenchCase result;
  result.batch_size = batch_size;
  result.particles_per_jet =
      static_cast<double>(jets.num_particles()) / static_cast<double>(batch_size);
  for (std::int64_t j = 0; j < batch_size; ++j)
    result.slots = std::max(result.slots, jets.offsets[j + 1] - jets.offsets[j]);
  const std::vector<Tensor> tensors = pad(jets.view(), result.slots, model.config.network);
  std::vector<TensorView> views;
  views.reserve(tensors.size());
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());

  std::vector<float> y(batch_size);
  std::vector<double> native_times;
  std::vector<double> onnx_times;
  const Clock::time_point begin = Clock::now();
  for (int round = 0;
       round <= options.min_rounds || microseconds_since(begin) < 1e6 * options.seconds; ++round) {
    const Clock::time_point native_start = Clock::now();
    predictor.predict(jets.view(), y);
    const double native_time = microseconds_since(native_start);
    const Clock::time_point onnx_start = Clock::now();
    const std::vector<Tensor> outputs = session.run(views);
    const double onnx_time = microseconds_since(onnx_start);
    if (round == 0) {  // warms both up and compares them
      std::vector<float> other(batch_size);
      std::memcpy(other.data(), outputs.front().data.data(), other.size() * sizeof(float));
      for (std::int64_t j = 0; j < batch_size; ++j)
        result.max_difference =
            std::max(result.max_difference, std::abs(static_cast<double>(y[j]) - other[j]));
      continue;
    }
    native_times.push_back(native_time);
    onnx_times.push_back(onnx_time);
  }
  result.rounds = static_cast<std::int64_t>(native_times.size());
  result.native = summarise(native_times, batch_size);
  result.onnxruntime = summarise(onnx_times, batch_size);
  return result;
}

}  // namespace

std::vector<InferenceBenchCase> bench_inference(const models::Model& model,
                                                const std::filesystem::path& onnx_file,
                                                const InferenceBenchOptions& options) {
  if (options.min_particles < 0 || options.max_particles < options.min_particles)
    fail(ErrorCode::InvalidArgument,
         "particles a jet must rise from at least 0: ", options.min_particles, " to ",
         options.max_particles);
  const models::Predictor predictor(model, options.predictor);
  const OnnxSession session(onnx_file, {GraphOptimization::All, num_threads(), true});
  std::vector<InferenceBenchCase> cases;
  for (const std::int64_t batch_size : options.batch_sizes) {
    if (batch_size < 1)
      fail(ErrorCode::InvalidArgument, "a batch holds at least 1 jet, not ", batch_size);
    cases.push_back(bench_case(model, predictor, session, batch_size, options));
  }
  return cases;
}

}  // namespace jetcal::engine
