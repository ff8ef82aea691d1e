// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/model_view.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/models/model.h"
#include "jetcal/pipeline/content_hash.h"
#include "jetcal/pipeline/render.h"
#include "jetcal/pipeline/yaml_text.h"

namespace jetcal::board {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxManifest = std::uintmax_t{1} << 20;

Json file_json(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return {{"name", path.filename().string()}, {"bytes", error ? 0 : size}};
}

// The manifest of a folder of shards, or null.
Json manifest_of(const fs::path& folder) {
  const fs::path path = folder / "manifest.json";
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > kMaxManifest) return {};
  const Json manifest = Json::parse(read_file(path), nullptr, false);
  return manifest.is_object() ? Json{{"path", path.string()}, {"manifest", manifest}} : Json();
}

// The manifest of the jets that a model was trained on: of the folder that the run beside it names,
// or a model of older versions itself. Null where it is not here.
Json manifest_of(const models::Model& model, const fs::path& file) {
  const auto data = model.provenance.find("data");
  if (data == model.provenance.end()) return {};
  if (!model.provenance.contains("data_manifest")) return manifest_of(data->second);
  const fs::path history = file.parent_path() / "history.json";
  std::error_code error;
  if (!fs::is_regular_file(history, error)) return {};
  const Json run = Json::parse(read_file(history), nullptr, false);
  if (!run.is_object() || !run.contains("data") || !run["data"].is_string()) return {};
  return manifest_of(run["data"].get<std::string>());
}

// Manifests of the datasets that the steps of a lineage gave.
void add_manifests(const fs::path& store, const Json& lineage, Json& manifests) {
  for (const Json& step : lineage.value("steps", Json::array())) {
    for (const Json& output : step.value("outputs", Json::object())) {
      if (!output.is_string() || output.get_ref<const std::string&>().size() != 64) continue;
      std::error_code error;
      const fs::path artifact = store / "artifacts" / output.get<std::string>();
      for (fs::directory_iterator entry(artifact, error), end; !error && entry != end;
           entry.increment(error)) {
        Json found = manifest_of(entry->path());
        if (!found.is_null()) manifests.push_back(std::move(found));
      }
    }
  }
}

Json tensors_json(const models::Layout& layout) {
  Json list = Json::array();
  for (const models::TensorSlice& slice : layout.parameters)
    list.push_back({{"name", slice.name}, {"shape", slice.shape}, {"size", slice.size}});
  return list;
}

Json describe(const fs::path& file, const std::vector<fs::path>& stores) {
  const models::Model model = models::load_model(file);
  const std::string sha256 = pipeline::hash_content(file).sha256;
  Json document = {{"file", file_json(file)},
                   {"sha256", sha256},
                   {"fingerprint", models::fingerprint(model)},
                   {"config", Json::parse(models::to_json(model.config).dump())},
                   {"parameters", model.layout.num_parameters},
                   {"macs", models::macs_padded(model.config)},
                   {"standardised", !model.standardisation.empty()},
                   {"calibrated", !model.calibration.empty()},
                   {"provenance", model.provenance},
                   {"tensors", tensors_json(model.layout)}};
  Json lineages = Json::array(), manifests = Json::array();
  for (const fs::path& root : stores) {
    try {
      Json lineage = pipeline::lineage(pipeline::Store(root), sha256);
      add_manifests(root, lineage, manifests);
      lineage["store"] = root.string();
      lineages.push_back(std::move(lineage));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NotFound) throw;  // made elsewhere
    }
  }
  if (manifests.empty()) {
    Json found = manifest_of(model, file);
    if (!found.is_null()) manifests.push_back(std::move(found));
  }
  document["lineage"] = std::move(lineages);
  document["manifests"] = std::move(manifests);
  return document;
}

// What serves the model on a cluster, or why nothing can be written for a model of this name.
Json deployment_of(const std::string& name) {
  const pipeline::RenderOptions options;
  try {
    return {{"manifests",
             pipeline::yaml_documents({pipeline::render_serving_runtime(options),
                                       pipeline::render_inference_service(options, name)})}};
  } catch (const Error& error) {
    return {{"reason", error.what()}};
  }
}

bool is_version(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

Json ModelShelf::model(const fs::path& file, const std::vector<fs::path>& stores) {
  std::string stamp = file_stamp(file);
  for (const fs::path& root : stores) stamp += " " + file_stamp(root / "hashes.txt");
  {
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(file.string());
    if (kept != kept_.end() && kept->second.stamp == stamp) return kept->second.document;
  }
  Json document = describe(file, stores);
  const std::lock_guard lock(mutex_);
  kept_[file.string()] = {stamp, document};
  return document;
}

Json ModelShelf::repository(const fs::path& folder, const std::vector<fs::path>& stores) {
  Json versions = Json::array();
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code kind_error;
    if (entry->is_directory(kind_error) && is_version(entry->path().filename().string()))
      folders.push_back(entry->path());
  }
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    const std::string x = a.filename().string(), y = b.filename().string();
    return x.size() != y.size() ? x.size() > y.size() : x > y;  // numbers, the newest first
  });
  for (const fs::path& version : folders) {
    Json files = Json::array();
    for (fs::directory_iterator entry(version, error), end; !error && entry != end;
         entry.increment(error))
      files.push_back(file_json(entry->path()));
    Json one = {{"version", version.filename().string()}, {"files", files}};
    const fs::path native = version / "model.jetcal";
    if (fs::is_regular_file(native, error)) {
      try {
        one["model"] = model(native, stores);
      } catch (const Error& damage) {
        one["error"] = damage.what();
      }
    }
    versions.push_back(std::move(one));
  }
  return {{"config", read_file(folder / "config.pbtxt")},
          {"deployment", deployment_of(folder.filename().string())},
          {"versions", versions}};
}

}  // namespace jetcal::board
