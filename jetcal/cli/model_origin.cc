// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/model_origin.h"

#include <algorithm>
#include <vector>

#include "jetcal/engine/onnx_metadata.h"
#include "jetcal/models/model.h"

namespace jetcal::cli {
namespace {

namespace fs = std::filesystem;

bool is_model(const fs::path& path) {
  return path.extension() == ".jetcal" || path.extension() == ".onnx";
}

fs::path first_model_in(const fs::path& folder) {
  std::vector<fs::path> models;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && is_model(entry.path())) models.push_back(entry.path());
  }
  const auto first = std::min_element(models.begin(), models.end());
  return first == models.end() ? fs::path() : *first;
}

}  // namespace

std::string step_key_of_model(const fs::path& path) {
  if (fs::is_directory(path)) {
    const fs::path model = first_model_in(path);
    return model.empty() ? "" : step_key_of_model(model);
  }
  if (!is_model(path)) return "";
  if (path.extension() == ".onnx") return engine::read_onnx_metadata(path)["provenance.step"];
  return models::load_model(path).provenance["step"];
}

}  // namespace jetcal::cli
