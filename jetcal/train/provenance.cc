// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/provenance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "jetcal/base/version.h"

namespace jetcal::train {

namespace {

std::string last_part(const std::filesystem::path& location) {
  const auto path = std::filesystem::absolute(location).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

std::string list_names(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 50;
  const auto told = static_cast<std::ptrdiff_t>(std::min(names.size(), kMost));
  std::string list = fmt::format("{}", fmt::join(names.begin(), names.begin() + told, ", "));
  if (names.size() > kMost) list += fmt::format(" and {} more", names.size() - kMost);
  return list;
}

}  // namespace

std::map<std::string, std::string> provenance_of(const TrainOptions& options,
                                                 const nlohmann::json& identity,
                                                 const TrainResult& result,
                                                 const std::optional<data::SampleOrigin>& origin) {
  std::map<std::string, std::string> provenance{
      {"made_by", fmt::format("jetcal {} ({})", version(), commit())},
      {"seed", std::to_string(options.seed)},
      {"data", last_part(options.data)},
      {"train_data", identity.at("data").at("train").get<std::string>()},
      {"training", identity.at("training").dump()},
      {"best_epoch", std::to_string(result.best_epoch)},
      {"validation_loss", fmt::format("{}", result.best_validation_loss)},
      {"test_loss", fmt::format("{}", result.test.loss)},
      {"no_correction_loss", fmt::format("{}", result.test.no_correction_loss)},
      {"best_constant_loss", fmt::format("{}", result.test.best_constant_loss)}};
  if (origin) {
    provenance["data_manifest"] = origin->manifest;
    provenance["data_inputs"] = list_names(origin->inputs);
  }
  const char* const step = std::getenv("JETCAL_STEP_KEY");
  if (step != nullptr && *step != '\0') provenance["step"] = step;
  return provenance;
}

}  // namespace jetcal::train
