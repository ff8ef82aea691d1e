// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/provenance.h"

#include <fmt/format.h>

#include <cstdlib>

#include "jetcal/base/version.h"

namespace jetcal::train {

std::map<std::string, std::string> provenance_of(const TrainOptions& options,
                                                 const nlohmann::json& identity,
                                                 const TrainResult& result) {
  std::map<std::string, std::string> provenance{
      {"made_by", fmt::format("jetcal {} ({})", version(), commit())},
      {"seed", std::to_string(options.seed)},
      {"data", options.data.string()},
      {"train_data", identity.at("data").at("train").get<std::string>()},
      {"training", identity.at("training").dump()},
      {"best_epoch", std::to_string(result.best_epoch)},
      {"validation_loss", fmt::format("{}", result.best_validation_loss)},
      {"test_loss", fmt::format("{}", result.test.loss)},
      {"no_correction_loss", fmt::format("{}", result.test.no_correction_loss)},
      {"best_constant_loss", fmt::format("{}", result.test.best_constant_loss)}};
  const char* const step = std::getenv("JETCAL_STEP_KEY");
  if (step != nullptr && *step != '\0') provenance["step"] = step;
  return provenance;
}

}  // namespace jetcal::train
