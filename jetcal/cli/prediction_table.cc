// SPDX-License-Identifier: Apache-2.0
#include "jetcal/cli/prediction_table.h"

#include <algorithm>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/progress.h"
#include "jetcal/base/stop.h"
#include "jetcal/data/jet_evaluator.h"
#include "jetcal/data/root_jet_reader.h"

namespace jetcal::cli {
namespace {

constexpr std::int64_t kChunkEntries = 4096;

data::NumberColumn integers(std::string name) {
  return {std::move(name), data::NumberType::Integer, {}, {}};
}

// Only the observers matter here: no jet is dropped.
data::DataRules observing(const data::DataRules& rules) {
  data::DataRules kept;
  kept.new_variables = rules.new_variables;
  kept.observers = rules.observers;
  return kept;
}

class TableMaker {
 public:
  TableMaker(const TableOptions& options, const NetworkUse& use, std::int64_t batch_size,
             const PredictFunction& predict)
      : options_(options), rules_(observing(options.rules)), correction_(use, batch_size, predict) {
    for (const data::NamedExpression& observer : rules_.observers) {
      for (const std::string own :
           {"source_file", "source_entry", "source_jet", "y", "status", "resolution"}) {
        if (observer.name == own || observer.name == options.branch) {
          fail(ErrorCode::InvalidArgument, "the observer '", observer.name,
               "' bears the name of another column of the table");
        }
      }
    }
  }

  void read_file(const std::filesystem::path& path) {
    data::RootJetReader reader(path, options_.tree);
    if (!reader.source().has_particles()) {
      fail(ErrorCode::FailedPrecondition, path.string(),
           " is NanoAOD without particle-flow candidates, which every network needs");
    }
    data::JetEvaluator evaluator(
        rules_, [&reader](const std::string& name) { return reader.has_branch(name); },
        path.string());
    reader.bind_branches(evaluator.branches());
    Progress progress("predicting", reader.source().num_entries,
                      reader.source().rows_are_events() ? "events" : "jets");
    for (;;) {
      check_stop();
      edm::JetColumns jets;
      data::JetOrigins origins;
      if (reader.read(kChunkEntries, jets, &origins) == 0) break;
      evaluator.evaluate(jets.view(), data::views_of(reader.branches()));
      append(jets.view(), origins.entry, origins.jet, evaluator.observers());
      progress.update(reader.next_entry());
    }
    progress.finish();
    table_.skipped_links += reader.skipped_links();
    table_.files.push_back(path.string());
  }

  void read_shards(const std::filesystem::path& folder, data::Split split) {
    const data::Dataset jets = data::Dataset::open(folder, split);
    if (!jets.has_particles()) {
      fail(ErrorCode::FailedPrecondition, folder.string(),
           " holds jets without particle-flow candidates, which every network needs");
    }
    const std::vector<std::string>& there = jets.observers();
    data::JetEvaluator evaluator(
        rules_,
        [&there](const std::string& name) {
          return std::find(there.begin(), there.end(), name) != there.end();
        },
        "the shards in " + folder.string());
    for (std::int64_t i = 0; i < jets.num_shards(); ++i) {
      check_stop();
      const data::ShardExtras& extras = jets.extras(i);
      evaluator.evaluate(jets.shard(i), data::pick(extras.observers, evaluator.branches()));
      append(jets.shard(i), extras.source_entry, extras.source_jet, evaluator.observers());
    }
    table_.files.push_back(folder.string() + ":" + std::string(data::split_name(split)));
  }

  PredictionTable finish() {
    table_.jets = correction_.finish();
    std::vector<data::NumberColumn> columns{std::move(file_), std::move(entry_), std::move(jet_)};
    for (data::NumberColumn& observer : observers_) columns.push_back(std::move(observer));
    data::NumberColumn y{"y", data::NumberType::Real, {}, {}};
    data::NumberColumn pt{options_.branch, data::NumberType::Real, {}, {}};
    data::NumberColumn status = integers("status");
    y.real.assign(table_.jets.y.begin(), table_.jets.y.end());
    pt.real.assign(table_.jets.pt_corr.begin(), table_.jets.pt_corr.end());
    for (const CorrectionStatus one : table_.jets.status)
      status.integer.push_back(static_cast<std::int64_t>(one));
    columns.push_back(std::move(y));
    columns.push_back(std::move(pt));
    if (!table_.jets.resolution.empty()) {
      columns.push_back({"resolution", data::NumberType::Real, {}, {}});
      columns.back().real.assign(table_.jets.resolution.begin(), table_.jets.resolution.end());
    }
    columns.push_back(std::move(status));
    table_.columns = std::move(columns);
    return std::move(table_);
  }

 private:
  static void check_stop() {
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped by a signal, nothing was written");
  }

  void append(const edm::JetView& jets, std::span<const std::int64_t> entry,
              std::span<const std::int32_t> jet, const std::vector<data::NumberColumn>& observers) {
    correction_.add(jets);
    file_.integer.insert(file_.integer.end(), static_cast<std::size_t>(jets.num_jets),
                         std::ssize(table_.files));
    entry_.integer.insert(entry_.integer.end(), entry.begin(), entry.end());
    jet_.integer.insert(jet_.integer.end(), jet.begin(), jet.end());
    if (observers_.empty()) {
      for (const data::NumberColumn& observer : observers)
        observers_.push_back({observer.name, observer.type, {}, {}});
    }
    for (std::size_t i = 0; i < observers.size(); ++i) {
      if (observers[i].type != observers_[i].type) {
        fail(ErrorCode::InvalidArgument, "the observer ", observers[i].name,
             " is an integer in one file and a real number in another");
      }
      data::NumberColumn& to = observers_[i];
      to.real.insert(to.real.end(), observers[i].real.begin(), observers[i].real.end());
      to.integer.insert(to.integer.end(), observers[i].integer.begin(), observers[i].integer.end());
    }
  }

  const TableOptions& options_;
  data::DataRules rules_;
  NetworkCorrection correction_;
  PredictionTable table_;
  data::NumberColumn file_ = integers("source_file"), entry_ = integers("source_entry"),
                     jet_ = integers("source_jet");
  std::vector<data::NumberColumn> observers_;
};

}  // namespace

bool is_shard_folder(const std::string& input) { return std::filesystem::is_directory(input); }

PredictionTable predict_table(const TableOptions& options, const NetworkUse& use,
                              std::int64_t batch_size, const PredictFunction& predict) {
  TableMaker maker(options, use, batch_size, predict);
  if (!is_shard_folder(options.input)) {
    for (const std::filesystem::path& path : glob_files(options.input)) maker.read_file(path);
    return maker.finish();
  }
  for (const data::Split split : data::kSplits) {
    if (options.split == "all" || data::parse_split(options.split) == split)
      maker.read_shards(options.input, split);
  }
  return maker.finish();
}

}  // namespace jetcal::cli
