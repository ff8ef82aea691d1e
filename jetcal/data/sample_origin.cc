// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/sample_origin.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "jetcal/data/detail/manifest.h"
#include "jetcal/store/sha256.h"

namespace jetcal::data {
namespace {

std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// As describe_options() writes an input: `group:path` or the path.
std::string input_name(const std::string& given) {
  const std::size_t slash = given.find('/');
  const std::size_t colon = given.find(':');
  const bool has_group = colon != std::string::npos && colon < slash;
  return has_group ? given.substr(0, colon + 1) + name_of(given.substr(colon + 1)) : name_of(given);
}

}  // namespace

SampleOrigin read_origin(const FileStore& store) {
  const detail::Manifest manifest = detail::read_finished_manifest(store);
  SampleOrigin origin;
  nlohmann::json whole = detail::manifest_json(manifest);
  for (nlohmann::json& input : whole["options"]["inputs"]) {
    if (input.is_string()) input = input_name(input.get<std::string>());
  }
  for (nlohmann::json& file : whole.at("files")) {
    file["path"] = name_of(file.at("path").get<std::string>());
    file.erase("modified_ns");
    origin.inputs.push_back(file["path"].get<std::string>());
  }
  origin.manifest = store::sha256(whole.dump());
  return origin;
}

}  // namespace jetcal::data
