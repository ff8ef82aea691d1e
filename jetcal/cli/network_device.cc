// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/network_device.h"

#include "jetcal/base/error.h"

#ifdef JETCAL_HAS_CUDA
#include "jetcal/cuda/training_pass.h"
#endif

namespace jetcal::cli {
namespace {

#ifdef JETCAL_HAS_CUDA
class CudaPass final : public train::NetworkPass {
 public:
  CudaPass(const models::ModelConfig& config, const models::Standardisation& standardisation,
           cuda::Precision precision)
      : pass_(config, standardisation, precision) {}

  void forward(std::span<const float> parameters, std::span<float> buffers,
               const edm::FeatureView& features, std::uint64_t dropout_seed, std::span<float> y,
               const models::BatchShare& share) override {
    JETCAL_DCHECK(share.sums == nullptr && share.first_jet == 0);  // Learner refuses workers
    static_cast<void>(share);
    pass_.forward(parameters, buffers, features, dropout_seed, y);
  }

  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_parameters,
                const models::GradientsFinished& finished) override {
    pass_.backward(parameters, grad_y, grad_parameters);
    if (finished) finished(0, std::ssize(grad_parameters));
  }

 private:
  cuda::TrainingPass pass_;
};

train::NetworkPassFactory cuda_pass(const std::string& precision) {
  const cuda::Precision chosen = cuda::parse_precision(precision);
  if (cuda::num_devices() == 0)
    fail(ErrorCode::Unavailable, "device cuda: this machine has no GPU, or no driver for it");
  return [chosen](const models::ModelConfig& config, const models::Standardisation& standard) {
    return std::make_unique<CudaPass>(config, standard, chosen);
  };
}
#else
train::NetworkPassFactory cuda_pass(const std::string&) {
  fail(ErrorCode::Unimplemented,
       "device cuda: this build has no room cuda; configure it with -DJETCAL_CUDA=ON");
}
#endif

}  // namespace

train::NetworkPassFactory device_pass(const std::string& device, const std::string& precision) {
  if (device == "cpu") return {};
  if (device == "cuda") return cuda_pass(precision);
  fail(ErrorCode::InvalidArgument, "there is no device '", device, "': cpu or cuda");
}

}  // namespace jetcal::cli
