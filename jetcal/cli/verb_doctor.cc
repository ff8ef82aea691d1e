// SPDX-License-Identifier: Apache-2.0
// jetcal doctor: what this build has, what this machine has, and what is missing for which verb.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "jetcal/base/cpu.h"
#include "jetcal/base/version.h"
#include "jetcal/cli/verb.h"

namespace jetcal::cli {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// Splits "name=text" entries, as CMake writes them.
nlohmann::ordered_json entries(const std::string& text, char separator) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (const std::string& entry : split(text, separator)) {
    const std::size_t at = entry.find('=');
    object[entry.substr(0, at)] = at == std::string::npos ? "" : entry.substr(at + 1);
  }
  return object;
}

nlohmann::ordered_json gpus() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::error_code ignored;
  for (const fs::directory_entry& gpu :
       fs::directory_iterator("/proc/driver/nvidia/gpus", ignored)) {
    list.push_back(gpu.path().filename().string());
  }
  return list;
}

struct VerbNeed {
  const char* verb;
  const char* program;  // empty: inside jetcal itself
  std::vector<const char*> rooms;
};

// A verb is ready when its program lies where jetcal looks for it.
nlohmann::ordered_json verbs(const std::vector<std::string>& built) {
  const std::vector<VerbNeed> needs{
      {"simulate", "jetcal-simulate", {"sim"}},
      {"ingest", "jetcal-physics", {"data", "jec", "models", "analysis"}},
      {"jec", "jetcal-physics", {"data", "jec", "models", "analysis"}},
      {"train", "jetcal-train", {"train"}},
      {"tune", "", {"hpo"}},
      {"suggest", "", {"suggest", "server"}},
      {"model", "", {"models"}},
      {"export", "", {"onnx", "engine"}},
      {"serve", "", {"server"}},
      {"client", "", {"client"}},
      {"loadgen", "", {"client"}},
      {"pipeline", "", {"pipeline"}},
      {"store", "", {"store"}},
      {"board", "", {"board"}},
      {"predict", "jetcal-physics", {"data", "jec", "models", "analysis"}},
      {"analyze", "jetcal-physics", {"data", "jec", "models", "analysis"}},
      {"bench", "", {"engine"}},
  };
  const fs::path folder =
      fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "libexec" / "jetcal";
  nlohmann::ordered_json object;
  for (const VerbNeed& need : needs) {
    std::string missing;
    for (const char* room : need.rooms) {
      if (std::find(built.begin(), built.end(), room) == built.end())
        missing += std::string(" room ") + room;
    }
    if (missing.empty() && *need.program != '\0' && !fs::exists(folder / need.program)) {
      missing = std::string(" program ") + need.program;
    }
    object[need.verb] = missing.empty() ? "ready" : "missing:" + missing;
  }
  return object;
}

nlohmann::ordered_json examine() {
  const std::vector<std::string> built = split(JETCAL_ROOMS_BUILT, ',');
  nlohmann::ordered_json document;
  document["version"] = version();
  document["commit"] = commit();
  document["cpu"] = {{"model", cpu_model()}, {"cores", usable_cores()}};
  nlohmann::ordered_json supported = nlohmann::ordered_json::array();
  for (const Isa isa : supported_isas()) supported.push_back(isa_name(isa));
  document["isa"] = isa_name(active_isa());
  document["isa_supported"] = supported;
  document["gpu"] = gpus();
  document["rooms"] = built;
  document["rooms_left_out"] = entries(JETCAL_ROOMS_MISSING, ',');
  document["libraries"] = entries(JETCAL_LIBRARIES, '|');
  document["verbs"] = verbs(built);
  return document;
}

void print_object(const char* title, const nlohmann::ordered_json& object) {
  for (const auto& [name, value] : object.items()) {
    std::printf("%-10s %-14s %s\n", title, name.c_str(), value.get<std::string>().c_str());
    title = "";
  }
}

int run(bool json) {
  const nlohmann::ordered_json document = examine();
  if (json) {
    print_json(document);
    return 0;
  }
  std::printf("jetcal %s (%s)\n", version(), commit());
  std::printf("%-10s %s, %d cores, kernels for %s\n", "cpu", cpu_model().c_str(), usable_cores(),
              std::string(isa_name(active_isa())).c_str());
  std::printf("%-10s %s\n", "gpu",
              document["gpu"].empty() ? "none" : document["gpu"].dump().c_str());
  std::string rooms;
  for (const auto& room : document["rooms"]) rooms += room.get<std::string>() + " ";
  std::printf("%-10s %s\n", "rooms", rooms.c_str());
  print_object("left out", document["rooms_left_out"]);
  print_object("libraries", document["libraries"]);
  print_object("verbs", document["verbs"]);
  return 0;
}

}  // namespace

Verb make_doctor_verb() {
  return {"doctor", "Says what this build has, and what is missing for which verb",
          [](CLI::App&, CommonOptions& common) {
            return [&common] {
              load_config(common).reject_unknown();  // there are no fields
              return run(common.json);
            };
          }};
}

}  // namespace jetcal::cli
