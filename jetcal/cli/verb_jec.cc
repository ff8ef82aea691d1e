// SPDX-License-Identifier: Apache-2.0
// jetcal jec: conventional corrections, evaluated, listed, applied, derived and checked.
#include <fmt/format.h>

#include <vector>

#include "jetcal/cli/jec_parts.h"
#include "jetcal/jec/correction_list.h"
#ifdef JETCAL_HAS_JEC_DERIVE
#include "jetcal/cli/jec_derive.h"
#endif

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

Json entry_json(const jec::CorrectionEntry& entry) {
  Json inputs = Json::array();
  for (const auto& input : entry.inputs)
    inputs.push_back({{"name", input.name}, {"type", input.type}});
  Json json{{"name", entry.name},
            {"kind", entry.kind},
            {"description", entry.description},
            {"inputs", std::move(inputs)}};
  if (!entry.stack.empty()) json["stack"] = entry.stack;
  return json;
}

int run_list(const std::string& file, bool json) {
  const std::vector<jec::CorrectionEntry> entries = jec::list_corrections(file);
  if (json) {
    Json list = Json::array();
    for (const auto& entry : entries) list.push_back(entry_json(entry));
    print_json({{"file", file}, {"corrections", std::move(list)}});
    return 0;
  }
  for (const auto& entry : entries) {
    std::string inputs;
    for (const auto& input : entry.inputs)
      inputs += (inputs.empty() ? "" : ", ") + input.name +
                (input.type == "real" ? "" : " (" + input.type + ")");
    fmt::print("{} {}({})\n", entry.kind, entry.name.empty() ? entry.description : entry.name + " ",
               inputs);
    for (const std::string& level : entry.stack) fmt::print("  {}\n", level);
  }
  return 0;
}

std::function<int()> set_up(CLI::App& app, CommonOptions& common) {
  app.require_subcommand(1);
  std::vector<JecPart> parts{add_jec_evaluate(app, common), add_jec_list(app, common),
                             add_jec_apply(app, common)};
#ifdef JETCAL_HAS_JEC_DERIVE
  parts.push_back(add_jec_derive(app, common));
  parts.push_back(add_jec_closure(app, common));
#endif
  return [parts] {
    for (const JecPart& part : parts)
      if (part.app->parsed()) return part.run();
    return 2;
  };
}

}  // namespace

JecPart add_jec_list(CLI::App& jec, CommonOptions& common) {
  CLI::App* const app =
      jec.add_subcommand("list", "say what a correction file holds")->fallthrough();
  const auto file = std::make_shared<std::string>();  // shared: std::function copies
  app->add_option("FILE", *file, "correctionlib JSON or JetCorrectorParameters text")->required();
  return {app, [file, &common] {
            load_config(common).reject_unknown();  // list has no fields of its own
            return run_list(*file, common.json);
          }};
}

Verb make_jec_verb() {
  return {"jec", "Evaluates, applies and derives conventional jet energy corrections.", set_up};
}

}  // namespace jetcal::cli
