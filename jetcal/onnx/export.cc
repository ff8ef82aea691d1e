// SPDX-License-Identifier: Apache-2.0
#include "jetcal/onnx/export.h"

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/version.h"
#include "jetcal/edm/features.h"
#include "jetcal/onnx/detail/network_graph.h"

namespace jetcal::onnx {

std::string export_graph(const models::FoldedModel& network,
                         const std::map<std::string, std::string>& metadata) {
  detail::GraphBuilder graph("jetcal_" + std::string(models::network_name(network.config.network)));
  detail::add_network(graph, network);
  ::onnx::ModelProto model = graph.finish(kOpset);
  model.set_producer_name("jetcal");
  model.set_producer_version(version());
  for (const auto& [key, value] : metadata) {
    ::onnx::StringStringEntryProto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }
  std::string bytes;
  if (!model.SerializeToString(&bytes))
    fail(ErrorCode::Internal, "the ONNX model cannot be serialised: it is larger than 2 GiB");
  return bytes;
}

std::map<std::string, std::string> export_metadata(const models::Model& model) {
  std::map<std::string, std::string> metadata{
      {"fingerprint", models::fingerprint(model)},
      {"config", models::to_json(model.config).dump()},
      {"input_mode", std::string(edm::input_mode_name(model.config.input_mode))},
      {"commit", commit()},
  };
  const models::ModelConfig plain;
  if (model.config.features != plain.features)
    metadata["features"] = edm::feature_set_name(model.config.features);
  if (model.config.target != plain.target)
    metadata["target"] = edm::reference_name(model.config.target);
  for (const auto& [key, value] : model.provenance) metadata.emplace("provenance." + key, value);
  return metadata;
}

void export_model(const models::Model& model, const std::filesystem::path& path) {
  write_file(path, export_graph(models::fold(model), export_metadata(model)));
}

}  // namespace jetcal::onnx
