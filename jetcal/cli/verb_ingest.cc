// SPDX-License-Identifier: Apache-2.0
// jetcal ingest: ROOT files to shards.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <limits>

#include "jetcal/base/progress.h"
#include "jetcal/cli/crash_report.h"
#include "jetcal/cli/verb.h"
#include "jetcal/data/ingest.h"

namespace jetcal::cli {

namespace {

using Json = nlohmann::ordered_json;

/// The flags as given; a flag that was not given leaves the configuration's value alone.
struct IngestFlags {
  std::vector<std::string> inputs;
  std::string output, tree;
  double gen_pt_min = 0, gen_eta_max = 0, reco_pt_min = 0, reco_eta_max = 0;
  bool keep_unmatched = false;
  std::string split;
  std::vector<double> fractions;
  std::uint64_t seed = 0;
  std::vector<std::string> train, validation, test;
  std::string selection, weight;
  std::vector<std::string> observers;
  double fraction = 1;
};

// A file with a section `data` serves ingest and train: ingest takes that section and leaves the
// others to train.
std::string find_prefix(const Config& config) {
  const std::vector<std::string> sections = config.sections();
  if (std::find(sections.begin(), sections.end(), "data") == sections.end()) return "";
  for (const std::string& section : sections) {
    if (section != "data") static_cast<void>(config.has(section));
  }
  for (const char* const of_train : {"output", "threads"}) static_cast<void>(config.has(of_train));
  data::mark_training_fields(config, "data.");
  return "data.";
}

// Flags of rules replace fields, so that one place checks both.
Config with_rule_flags(const CLI::App& app, const IngestFlags& flags, Config config,
                       const std::string& prefix) {
  if (app.count("--selection") > 0) config.set_text(prefix + "selection", flags.selection);
  if (app.count("--weight") > 0) config.set_text(prefix + "weight", flags.weight);
  if (app.count("--fraction") > 0)
    config.set(prefix + "fraction", fmt::format("{}", flags.fraction));
  if (app.count("--observers") > 0)
    config.set(prefix + "observers", fmt::format("[{}]", fmt::join(flags.observers, ", ")));
  return config;
}

data::IngestOptions make_options(const CLI::App& app, const IngestFlags& flags,
                                 const Config& given) {
  const std::string prefix = find_prefix(given);
  const Config config = with_rule_flags(app, flags, given, prefix);
  data::IngestOptions options;
  options.rules = data::read_data_rules(config, prefix);
  const auto set = [&](const char* name, auto& option, const auto& flag) {
    std::string field(name);
    for (char& letter : field) letter = letter == '-' ? '_' : letter;
    option = config.get(prefix + field, option);
    if (app.count(fmt::format("--{}", name)) > 0) option = flag;
  };
  options.inputs = config.get(prefix + "inputs", options.inputs);
  if (!flags.inputs.empty()) options.inputs = flags.inputs;
  std::string output =
      config.get<std::string>(prefix + (prefix.empty() ? "output" : "directory"), "");
  if (!flags.output.empty()) output = flags.output;
  options.output = output;
  set("tree", options.tree, flags.tree);
  set("gen-pt-min", options.selection.gen_pt_min, flags.gen_pt_min);
  set("gen-eta-max", options.selection.gen_eta_max, flags.gen_eta_max);
  set("reco-pt-min", options.selection.reco_pt_min, flags.reco_pt_min);
  set("reco-eta-max", options.selection.reco_eta_max, flags.reco_eta_max);
  set("keep-unmatched", options.selection.keep_unmatched, flags.keep_unmatched);
  std::string split = "hash";
  set("split", split, flags.split);
  if (split != "hash" && split != "file")
    fail(ErrorCode::InvalidArgument, "unknown split '", split, "', known are hash and file");
  options.split.by = split == "hash" ? data::SplitBy::Hash : data::SplitBy::File;
  std::vector<double> fractions(options.split.fractions.begin(), options.split.fractions.end());
  set("fractions", fractions, flags.fractions);
  if (fractions.size() != 3) {
    fail(ErrorCode::InvalidArgument,
         "fractions needs three numbers for train, validation and test, got ", fractions.size());
  }
  std::copy(fractions.begin(), fractions.end(), options.split.fractions.begin());
  set("seed", options.split.seed, flags.seed);
  set("train", options.split.patterns[0], flags.train);
  set("validation", options.split.patterns[1], flags.validation);
  set("test", options.split.patterns[2], flags.test);
  config.reject_unknown();
  if (options.output.empty())
    fail(ErrorCode::InvalidArgument, "the output folder is missing: give --output DIR");
  if (options.inputs.empty())
    fail(ErrorCode::InvalidArgument, "the input files are missing: give one or more files");
  return options;
}

Json counts_json(const data::IngestCounts& counts) {
  return {{"read", counts.read},
          {"selected", counts.selected},
          {"rejected",
           {{"reco_pt_min", counts.rejected_reco_pt},
            {"reco_eta_max", counts.rejected_reco_eta},
            {"gen_pt_min", counts.rejected_gen_pt},
            {"gen_eta_max", counts.rejected_gen_eta},
            {"selection", counts.rejected_selection},
            {"split_selection", counts.rejected_split_selection}}},
          {"selection_not_finite", counts.selection_not_finite},
          {"weight_not_finite", counts.weight_not_finite},
          {"not_in_fraction", counts.not_in_fraction},
          {"observers_not_finite", counts.observers_not_finite},
          {"weights",
           {{"train", counts.weight_by_split[0]},
            {"validation", counts.weight_by_split[1]},
            {"test", counts.weight_by_split[2]}}},
          {"unmatched", counts.unmatched},
          {"not_finite", counts.not_finite},
          {"selected_unmatched", counts.selected_unmatched},
          {"splits",
           {{"train", counts.selected_by_split[0]},
            {"validation", counts.selected_by_split[1]},
            {"test", counts.selected_by_split[2]}}},
          {"particles",
           {{"read", counts.particles_read},
            {"selected", counts.particles_selected},
            {"unusable", counts.particles_unusable},
            {"skipped_links", counts.skipped_links}}},
          {"unstored_gen_jets", counts.unstored_gen_jets}};
}

// The schema that all files share, or "mixed".
std::string common_schema(const data::IngestReport& report) {
  std::string common;
  for (const data::IngestedFile& file : report.files) {
    const std::string schema(data::schema_name(file.source.schema));
    if (!common.empty() && common != schema) return "mixed";
    common = schema;
  }
  return common;
}

Json report_json(const data::IngestOptions& options, const data::IngestReport& report) {
  Json json{{"output", options.output.string()},
            {"schema", common_schema(report)},
            {"rows", counts_json(report.counts)}};
  json["particles"] = std::move(json["rows"]["particles"]);
  json["splits"] = std::move(json["rows"]["splits"]);
  json["rows"].erase("particles");
  json["rows"].erase("splits");
  for (const auto& [group, counts] : report.groups)
    json["groups"][group.empty() ? "-" : group] = counts_json(counts);
  json["files_resumed"] = report.files_resumed;
  json["files"] = Json::array();
  for (const data::IngestedFile& file : report.files) {
    Json shards = Json::array();
    for (const auto& shard : file.shards) shards.push_back(shard.name);
    json["files"].push_back({{"path", file.path.string()},
                             {"group", file.group},
                             {"schema", data::schema_name(file.source.schema)},
                             {"layout", file.source.layout},
                             {"missing", file.source.missing},
                             {"storage", data::storage_name(file.source.storage)},
                             {"tree", file.source.tree},
                             {"cycle", file.source.cycle},
                             {"cycles_in_file", file.source.num_cycles},
                             {"entries", file.source.num_entries},
                             {"read", file.counts.read},
                             {"selected", file.counts.selected},
                             {"shards", shards}});
  }
  return json;
}

void print_groups(const data::IngestReport& report) {
  if (report.groups.empty()) return;
  fmt::print("{:<16}{:>12}{:>12}{:>12}{:>12}{:>12}{:>14}\n", "group", "read", "selected", "train",
             "validation", "test", "weight");
  for (const auto& [group, counts] : report.groups) {
    const auto& splits = counts.selected_by_split;
    const auto& weights = counts.weight_by_split;
    fmt::print("{:<16}{:>12}{:>12}{:>12}{:>12}{:>12}{:>14.6g}\n", group.empty() ? "-" : group,
               counts.read, counts.selected, splits[0], splits[1], splits[2],
               weights[0] + weights[1] + weights[2]);
  }
}

void print_report(const data::IngestOptions& options, const data::IngestReport& report) {
  for (const data::IngestedFile& file : report.files) {
    if (file.source.storage == data::Storage::Parquet) {
      fmt::print("{}: {} (Parquet), {} jets\n", file.path.string(), file.source.layout,
                 file.source.num_entries);
      continue;
    }
    fmt::print("{}: {} ({}) {}, cycle {}, {} in the file, {} entries\n", file.path.string(),
               file.source.layout, data::storage_name(file.source.storage), file.source.tree,
               file.source.cycle, file.source.num_cycles, file.source.num_entries);
    if (!file.source.missing.empty())
      fmt::print("  without {}\n", fmt::join(file.source.missing, ", "));
    if (!file.source.has_particles())
      fmt::print("  jets without candidates can be analyzed, but no network trained on them\n");
  }
  const data::IngestCounts& counts = report.counts;
  const auto line = [](const char* name, std::int64_t count) {
    fmt::print("  {:<28}{:>12}\n", name, count);
  };
  fmt::print("jets\n");
  line("read", counts.read);
  line("not finite", counts.not_finite);
  line("unmatched", counts.unmatched);
  line("rejected by reco-pt-min", counts.rejected_reco_pt);
  line("rejected by reco-eta-max", counts.rejected_reco_eta);
  line("rejected by gen-pt-min", counts.rejected_gen_pt);
  line("rejected by gen-eta-max", counts.rejected_gen_eta);
  if (!report.rules.empty()) {
    line("selection not finite", counts.selection_not_finite);
    line("rejected by selection", counts.rejected_selection);
    line("rejected by that of a split", counts.rejected_split_selection);
    line("weight not finite", counts.weight_not_finite);
    line("not in the fraction", counts.not_in_fraction);
  }
  line("selected", counts.selected);
  if (counts.selected_unmatched > 0) line("  of these unmatched", counts.selected_unmatched);
  for (const data::Split split : data::kSplits) {
    line(fmt::format("  {}", data::split_name(split)).c_str(),
         counts.selected_by_split[static_cast<std::size_t>(split)]);
  }
  print_groups(report);
  if (counts.observers_not_finite > 0) line("observers not finite", counts.observers_not_finite);
  fmt::print("particles\n");
  line("read", counts.particles_read);
  line("selected", counts.particles_selected);
  line("  of these unusable", counts.particles_unusable);
  if (counts.skipped_links > 0) line("skipped links", counts.skipped_links);
  if (counts.unstored_gen_jets > 0) line("generator jet not stored", counts.unstored_gen_jets);
  if (report.files_resumed > 0)
    fmt::print("{} of {} files were finished by an earlier run\n", report.files_resumed,
               report.files.size());
  fmt::print("shards are in {}\n", options.output.string());
}

int run_ingest(const CLI::App& app, const IngestFlags& flags, const CommonOptions& common) {
  const data::IngestOptions options = make_options(app, flags, load_config(common));
  report_crashes("ingest", options.output);
  data::IngestReport report;
  {
    Progress bar("ingest", 0, "entries");
    report = data::ingest(options, [&](std::int64_t entries, std::int64_t done, std::int64_t all) {
      bar.update(entries, fmt::format("{} of {} files", done, all));
    });
    bar.finish();
  }
  if (common.json) {
    print_json(report_json(options, report));
  } else {
    print_report(options, report);
  }
  return 0;
}

}  // namespace

Verb make_ingest_verb() {
  return {"ingest", "Turns ROOT files into shards for training",
          [](CLI::App& app, CommonOptions& common) {
            auto flags = std::make_shared<IngestFlags>();  // shared: outlives this set-up
            app.add_option("inputs", flags->inputs,
                           "ROOT files (JetNTuple or PFNano); * and ? in the last component");
            app.add_option("--output", flags->output, "folder of the shards");
            app.add_option("--tree", flags->tree, "tree to read, found by its branches if absent");
            app.add_option("--gen-pt-min", flags->gen_pt_min, "generator pT above, GeV [20]");
            app.add_option("--gen-eta-max", flags->gen_eta_max, "generator |eta| below [2.5]");
            app.add_option("--reco-pt-min", flags->reco_pt_min, "corrected pT above, GeV [0]");
            app.add_option("--reco-eta-max", flags->reco_eta_max, "|eta| below [none]");
            app.add_flag("--keep-unmatched", flags->keep_unmatched,
                         "keep jets without a generator jet; generator cuts spare them");
            app.add_option("--split", flags->split, "hash (of the event number) or file [hash]");
            app.add_option("--fractions", flags->fractions,
                           "hash: parts of train, validation, test [0.6 0.2 0.2]")
                ->expected(3);
            app.add_option("--seed", flags->seed, "hash: seed of the split [1]");
            app.add_option("--train", flags->train, "file: patterns of the training files");
            app.add_option("--validation", flags->validation, "file: patterns of its files");
            app.add_option("--test", flags->test, "file: patterns of its files");
            app.add_option("--selection", flags->selection,
                           "keep jets of which this expression is true");
            app.add_option("--weight", flags->weight, "expression: weight of each jet in training");
            app.add_option("--observers", flags->observers, "branches to carry along");
            app.add_option("--fraction", flags->fraction, "part of the jets to keep [1]");
            return [&app, &common, flags] { return run_ingest(app, *flags, common); };
          }};
}

}  // namespace jetcal::cli
