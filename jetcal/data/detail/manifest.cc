// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/detail/manifest.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::data::detail {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFileName = "manifest.json";
constexpr int kVersion = 1;
constexpr const char* kRules = "data";  // of the options: selection, weights and the like

// One list of the counts for writing and reading.
#define JETCAL_COUNTS(X)      \
  X(read)                     \
  X(selected)                 \
  X(not_finite)               \
  X(unmatched)                \
  X(rejected_reco_pt)         \
  X(rejected_reco_eta)        \
  X(rejected_gen_pt)          \
  X(rejected_gen_eta)         \
  X(selection_not_finite)     \
  X(rejected_selection)       \
  X(rejected_split_selection) \
  X(weight_not_finite)        \
  X(not_in_fraction)          \
  X(weight_by_split)          \
  X(observers_not_finite)     \
  X(selected_unmatched)       \
  X(selected_by_split)        \
  X(particles_read)           \
  X(particles_selected) X(particles_unusable) X(skipped_links) X(unstored_gen_jets)

Json write_counts(const IngestCounts& counts) {
  Json json;
#define JETCAL_WRITE(name) json[#name] = counts.name;
  JETCAL_COUNTS(JETCAL_WRITE)
#undef JETCAL_WRITE
  return json;
}

IngestCounts parse_counts(const Json& json) {
  IngestCounts counts;
  // A count that an older jetcal did not know is absent from its manifests.
#define JETCAL_READ(name) \
  if (json.contains(#name)) json.at(#name).get_to(counts.name);
  JETCAL_COUNTS(JETCAL_READ)
#undef JETCAL_READ
  return counts;
}

Schema parse_schema(const std::string& name) {
  for (const Schema schema :
       {Schema::JetNTuple, Schema::PFNano, Schema::NanoAOD, Schema::JetTable}) {
    if (name == schema_name(schema)) return schema;
  }
  fail(ErrorCode::DataLoss, "the manifest names an unknown schema: ", name);
}

Storage parse_storage(const std::string& name) {
  for (const Storage storage : {Storage::TTree, Storage::RNTuple, Storage::Parquet}) {
    if (name == storage_name(storage)) return storage;
  }
  fail(ErrorCode::DataLoss, "the manifest names an unknown storage: ", name);
}

Json write_ingested(const IngestedFile& file) {
  Json json{{"path", file.path.string()},
            {"size", file.size},
            {"modified_ns", file.modified_ns},
            {"schema", schema_name(file.source.schema)},
            {"layout", file.source.layout},
            {"missing", file.source.missing},
            {"storage", storage_name(file.source.storage)},
            {"tree", file.source.tree},
            {"cycle", file.source.cycle},
            {"num_cycles", file.source.num_cycles},
            {"num_entries", file.source.num_entries},
            {"counts", write_counts(file.counts)},
            {"shards", Json::array()}};
  if (!file.group.empty()) json["group"] = file.group;
  for (const IngestedFile::Shard& shard : file.shards) {
    json["shards"].push_back({{"name", shard.name},
                              {"split", split_name(shard.split)},
                              {"num_jets", shard.num_jets},
                              {"num_particles", shard.num_particles}});
  }
  return json;
}

IngestedFile parse_ingested(const Json& json) {
  IngestedFile file;
  file.path = json.at("path").get<std::string>();
  file.group = json.value("group", "");
  json.at("size").get_to(file.size);
  json.at("modified_ns").get_to(file.modified_ns);
  file.source.path = file.path;
  file.source.schema = parse_schema(json.at("schema").get<std::string>());
  file.source.layout = json.value("layout", "");
  file.source.missing = json.value("missing", std::vector<std::string>{});
  file.source.storage = parse_storage(json.at("storage").get<std::string>());
  json.at("tree").get_to(file.source.tree);
  json.at("cycle").get_to(file.source.cycle);
  json.at("num_cycles").get_to(file.source.num_cycles);
  json.at("num_entries").get_to(file.source.num_entries);
  file.counts = parse_counts(json.at("counts"));
  for (const Json& shard : json.at("shards")) {
    file.shards.push_back(
        {parse_split(shard.at("split").get<std::string>()), shard.at("name").get<std::string>(),
         shard.at("num_jets").get<std::int64_t>(), shard.at("num_particles").get<std::int64_t>()});
  }
  return file;
}

std::map<std::string, IngestCounts> sum_groups(const Manifest& manifest) {
  std::map<std::string, IngestCounts> groups;
  for (const auto& file : manifest.files) {
    if (file) groups[file->group] += file->counts;
  }
  if (groups.size() == 1 && groups.contains("")) groups.clear();
  return groups;
}

}  // namespace

InputFile parse_input(const std::string& given) {
  const std::size_t colon = given.find(':');
  const bool has_name =
      colon != std::string::npos && colon > 0 && given.compare(colon, 3, "://") != 0 &&
      std::all_of(given.begin(), given.begin() + static_cast<std::ptrdiff_t>(colon),
                  [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  if (!has_name || std::filesystem::exists(given)) return {"", given};
  return {given.substr(0, colon), given.substr(colon + 1)};
}

bool Manifest::complete() const noexcept {
  return std::all_of(files.begin(), files.end(), [](const auto& file) { return file.has_value(); });
}

std::string describe_options(const IngestOptions& options, const std::vector<InputFile>& inputs) {
  const Selection& cuts = options.selection;
  const SplitOptions& split = options.split;
  const bool by_hash = split.by == SplitBy::Hash;
  Json json{{"gen_pt_min", cuts.gen_pt_min},
            {"gen_eta_max", cuts.gen_eta_max},
            {"reco_pt_min", cuts.reco_pt_min},
            // JSON has no infinity; a negative bound means none.
            {"reco_eta_max", std::isfinite(cuts.reco_eta_max) ? cuts.reco_eta_max : -1},
            {"keep_unmatched", cuts.keep_unmatched},
            {"split", by_hash ? "hash" : "file"},
            {"tree", options.tree},
            {"shard_batch_jets", options.shard_batch_jets}};
  if (!std::isfinite(cuts.gen_eta_max)) json["gen_eta_max"] = -1;
  if (by_hash) {
    json["fractions"] = split.fractions;
    json["seed"] = split.seed;
  } else {
    json["patterns"] = split.patterns;
  }
  json["inputs"] = Json::array();
  for (const InputFile& input : inputs) {
    const std::string path = std::filesystem::absolute(input.path).lexically_normal().string();
    json["inputs"].push_back(input.group.empty() ? path : input.group + ":" + path);
  }
  if (!options.rules.empty()) json[kRules] = to_json(options.rules);
  return json.dump();
}

Manifest parse_manifest(const std::string& text, const std::string& name) {
  try {
    const Json json = Json::parse(text);
    if (json.at("version").get<int>() != kVersion) {
      fail(ErrorCode::FailedPrecondition, name, " is of version ", json.at("version").get<int>(),
           ", this jetcal reads version ", kVersion);
    }
    Manifest manifest;
    manifest.options = json.at("options").dump();
    for (const Json& file : json.at("files")) {
      manifest.files.emplace_back();
      if (!file.is_null()) manifest.files.back() = parse_ingested(file);
    }
    static_cast<void>(make_report(manifest));  // the options must be readable too
    static_cast<void>(json.at("options").value("shard_batch_jets", std::int64_t{0}));
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::DataLoss, "cannot understand ", name, ": ", error.what());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::FailedPrecondition) throw;
    fail(ErrorCode::DataLoss, "cannot understand ", name, ": ", error.what());
  }
}

std::optional<Manifest> load_manifest(const std::filesystem::path& dir) {
  const std::filesystem::path path = dir / kFileName;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return parse_manifest(read_file(path), path.string());
}

Manifest read_finished_manifest(const FileStore& store) {
  Manifest manifest = parse_manifest(store.read_all(kFileName), store.name_of(kFileName));
  if (!manifest.complete()) {
    fail(ErrorCode::FailedPrecondition, "the ingest that wrote ", store.name_of(kFileName),
         " has not finished, run it again to resume it");
  }
  return manifest;
}

std::int64_t Manifest::batch_jets() const {
  const std::int64_t jets = Json::parse(options).value("shard_batch_jets", std::int64_t{0});
  if (jets < 1) fail(ErrorCode::DataLoss, "a manifest does not say shard_batch_jets");
  return jets;
}

Json manifest_json(const Manifest& manifest) {
  Json json{{"version", kVersion},
            {"complete", manifest.complete()},
            {"options", Json::parse(manifest.options)},
            {"files", Json::array()}};
  for (const auto& file : manifest.files)
    json["files"].push_back(file ? write_ingested(*file) : Json(nullptr));
  for (const auto& [group, counts] : sum_groups(manifest))
    json["groups"][group] = write_counts(counts);
  return json;
}

void save_manifest(const std::filesystem::path& dir, const Manifest& manifest) {
  write_file(dir / kFileName, manifest_json(manifest).dump(1) + "\n");
}

void remove_manifest(const std::filesystem::path& dir) noexcept {
  std::error_code ignored;
  std::filesystem::remove(dir / kFileName, ignored);
}

IngestReport make_report(const Manifest& manifest) {
  IngestReport report;
  for (const auto& file : manifest.files) {
    if (!file) continue;
    report.counts += file->counts;
    report.files.push_back(*file);
  }
  report.groups = sum_groups(manifest);
  const Json options = Json::parse(manifest.options);
  if (options.contains(kRules)) report.rules = data_rules_from_json(options.at(kRules));
  return report;
}

}  // namespace jetcal::data::detail
