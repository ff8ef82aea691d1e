// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/network_pass.h"

namespace jetcal::train {
namespace {

class NativePass final : public NetworkPass {
 public:
  NativePass(const models::ModelConfig& config, const models::Standardisation& standardisation)
      : pass_(config, standardisation) {}

  void forward(std::span<const float> parameters, std::span<float> buffers,
               const edm::FeatureView& features, std::uint64_t dropout_seed, std::span<float> y,
               const models::BatchShare& share) override {
    pass_.forward(parameters, buffers, features, dropout_seed, y, share);
  }
  void backward(std::span<const float> parameters, std::span<const float> grad_y,
                std::span<float> grad_parameters,
                const models::GradientsFinished& finished) override {
    pass_.backward(parameters, grad_y, grad_parameters, finished);
  }

 private:
  models::TrainingPass pass_;
};

}  // namespace

std::unique_ptr<NetworkPass> make_network_pass(const NetworkPassFactory& factory,
                                               const models::ModelConfig& config,
                                               const models::Standardisation& standardisation) {
  if (factory) return factory(config, standardisation);
  return std::make_unique<NativePass>(config, standardisation);
}

}  // namespace jetcal::train
