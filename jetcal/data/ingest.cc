// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/ingest.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>
#include <set>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/base/threads.h"
#include "jetcal/data/detail/manifest.h"
#include "jetcal/data/detail/output_folder.h"
#include "jetcal/data/detail/shard_file.h"
#include "jetcal/data/jet_evaluator.h"

namespace jetcal::data {

namespace fs = std::filesystem;

namespace {

// Entries read at once: bounds memory, and how long a stop signal waits.
constexpr std::int64_t kChunkJetRows = 4096, kChunkEvents = 256;

bool columns_finite(const edm::JetView& jets, std::size_t row) {
  bool finite = true;
#define JETCAL_FINITE(type, name) \
  if constexpr (std::is_floating_point_v<type>) finite = finite && std::isfinite(jets.name[row]);
  JETCAL_JET_COLUMNS(JETCAL_FINITE)
#undef JETCAL_FINITE
  for (const float feature : {jets.eta[row], jets.phi[row], jets.mass[row], jets.area[row],
                              jets.qg_pt_d[row], jets.qg_axis2[row]}) {
    finite = finite && std::abs(feature) <= edm::kLargestFeature;
  }
  return finite;
}

std::int64_t count_unusable(const edm::JetView& jets, std::size_t row) {
  std::int64_t count = 0;
  for (auto i = static_cast<std::size_t>(jets.offsets[row]);
       i < static_cast<std::size_t>(jets.offsets[row + 1]); ++i) {
    count += edm::is_usable_particle(jets.pf_pt[i], jets.pf_d_eta[i], jets.pf_d_phi[i]) ? 0 : 1;
  }
  return count;
}

// Counts the row where the cuts reject it and tells whether they keep it.
bool pass_cuts(const Selection& cuts, const edm::JetView& jets, std::size_t row,
               IngestCounts& counts) {
  ++counts.read;
  counts.particles_read += jets.offsets[row + 1] - jets.offsets[row];
  const auto reject = [](std::int64_t& count) {
    ++count;
    return false;
  };
  if (!columns_finite(jets, row)) return reject(counts.not_finite);
  const bool matched = jets.pt_gen[row] > 0;
  if (!matched && !cuts.keep_unmatched) return reject(counts.unmatched);
  if (!(jets.pt_reco[row] > cuts.reco_pt_min)) return reject(counts.rejected_reco_pt);
  if (!(std::abs(jets.eta[row]) < cuts.reco_eta_max)) return reject(counts.rejected_reco_eta);
  if (matched && !(jets.pt_gen[row] > cuts.gen_pt_min)) return reject(counts.rejected_gen_pt);
  if (matched && !(std::abs(jets.eta_gen[row]) < cuts.gen_eta_max))
    return reject(counts.rejected_gen_eta);
  return true;
}

// Counts a row that the cuts keep in its one place and tells whether it is selected.
bool count_fate(JetFate fate, const edm::JetView& jets, std::size_t row, IngestCounts& counts) {
  switch (fate) {
    case JetFate::SelectionNotFinite:
      ++counts.selection_not_finite;
      return false;
    case JetFate::Selection:
      ++counts.rejected_selection;
      return false;
    case JetFate::SplitSelection:
      ++counts.rejected_split_selection;
      return false;
    case JetFate::WeightNotFinite:
      ++counts.weight_not_finite;
      return false;
    case JetFate::Fraction:
      ++counts.not_in_fraction;
      return false;
    case JetFate::Kept:
      break;
  }
  ++counts.selected;
  counts.selected_unmatched += jets.pt_gen[row] > 0 ? 0 : 1;
  counts.particles_selected += jets.offsets[row + 1] - jets.offsets[row];
  counts.particles_unusable += count_unusable(jets, row);
  return true;
}

Split split_by_hash(const SplitOptions& options, std::uint64_t event) {
  const double draw = static_cast<double>(mix64(options.seed, event) >> 11) * 0x1.0p-53;
  if (draw < options.fractions[0]) return Split::Train;
  return draw < options.fractions[0] + options.fractions[1] ? Split::Validation : Split::Test;
}

Split split_by_file(const SplitOptions& options, const fs::path& input) {
  std::vector<Split> matches;
  for (std::size_t i = 0; i < kSplits.size(); ++i) {
    const auto& patterns = options.patterns[i];
    const bool match =
        std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
          return ::fnmatch(pattern.c_str(), input.filename().c_str(), 0) == 0 ||
                 ::fnmatch(pattern.c_str(), input.c_str(), 0) == 0;
        });
    if (match) matches.push_back(kSplits[i]);
  }
  if (matches.size() != 1) {
    fail(ErrorCode::InvalidArgument, "the input ", input.string(), " matches the patterns of ",
         matches.size(), " splits, it must match exactly one");
  }
  return matches.front();
}

void check_options(const IngestOptions& options) {
  const auto& parts = options.split.fractions;
  const bool fractions_ok =
      std::all_of(parts.begin(), parts.end(), [](double part) { return part >= 0; }) &&
      std::abs(std::accumulate(parts.begin(), parts.end(), 0.0) - 1) < 1e-9;
  if (options.split.by == SplitBy::Hash && !fractions_ok) {
    fail(ErrorCode::InvalidArgument,
         "the split fractions must not be negative and must sum to 1: ", parts[0], ", ", parts[1],
         ", ", parts[2]);
  }
  const Selection& cuts = options.selection;
  for (const double cut :
       {cuts.gen_pt_min, cuts.gen_eta_max, cuts.reco_pt_min, cuts.reco_eta_max}) {
    if (std::isnan(cut)) fail(ErrorCode::InvalidArgument, "a cut of the selection is not a number");
  }
  if (options.shard_batch_jets < 1)
    fail(ErrorCode::InvalidArgument,
         "shard_batch_jets must be positive: ", options.shard_batch_jets);
  if (options.output.empty()) fail(ErrorCode::InvalidArgument, "no output folder is given");
}

void check_groups(const IngestOptions& options, const std::vector<detail::InputFile>& inputs) {
  for (const GroupRule& group : options.rules.groups) {
    const bool used = std::any_of(inputs.begin(), inputs.end(),
                                  [&](const auto& input) { return input.group == group.name; });
    if (!used) {
      fail(ErrorCode::InvalidArgument, "no input is of the group '", group.name, "': write ",
           group.name, ":PATTERN");
    }
  }
}

std::vector<detail::InputFile> find_inputs(const IngestOptions& options) {
  std::vector<detail::InputFile> inputs;
  std::set<fs::path> seen;
  for (const std::string& given : options.inputs) {
    const detail::InputFile input = detail::parse_input(given);
    for (const fs::path& path : glob_files(input.path.string())) {
      if (!seen.insert(fs::weakly_canonical(path)).second)
        fail(ErrorCode::InvalidArgument, "the input ", path.string(), " is given twice");
      if (!is_utf8(path.string()))
        fail(ErrorCode::InvalidArgument, "the name of ", path.string(),
             " is no UTF-8, and a manifest can hold no other; rename it");
      inputs.push_back({input.group, path});
    }
  }
  if (inputs.empty()) fail(ErrorCode::InvalidArgument, "no input files are given");
  check_groups(options, inputs);
  return inputs;
}

struct FileStamp {
  std::int64_t size = 0, modified_ns = 0;
};

FileStamp stamp(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) fail(ErrorCode::NotFound, "no such file: ", path.string());
  return {info.st_size, info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec};
}

std::string shard_name(Split split, std::size_t index) {
  return fmt::format("{}-{:05}.arrow", split_name(split), index);
}

// Jet columns are in the shards anyway.
DataRules rules_of_shards(DataRules rules) {
  std::erase_if(rules.observers, [](const NamedExpression& observer) {
    return observer.name == observer.text && is_jet_column(observer.name);
  });
  return rules;
}

// Writes the up to three shards of one input file.
class FileIngest {
 public:
  FileIngest(const IngestOptions& options, const detail::InputFile& input, std::size_t index)
      : options_(options),
        group_(options.rules.group(input.group)),
        weighted_(has_weights(options.rules)),
        index_(index) {
    const FileStamp now = stamp(input.path);
    result_.size = now.size;
    result_.modified_ns = now.modified_ns;
    result_.path = fs::absolute(input.path).lexically_normal();
    result_.group = input.group;
    if (options.split.by == SplitBy::File) file_split_ = split_by_file(options.split, input.path);
    for (const Split split : kSplits) {
      fs::remove(options.output / shard_name(split, index));
      fs::remove(options.output / (shard_name(split, index) + ".part"));
    }
  }

  // Calls progress(entries) after each chunk.
  IngestedFile run(const std::function<void(std::int64_t)>& progress) {
    RootJetReader reader(result_.path, options_.tree);
    result_.source = reader.source();
    open_rules(reader);
    const std::int64_t chunk = reader.source().rows_are_events() ? kChunkEvents : kChunkJetRows;
    for (;;) {
      edm::JetColumns jets;
      JetOrigins origins;
      const std::int64_t entries = reader.read(chunk, jets, &origins);
      if (entries == 0) break;
      const edm::JetView view = jets.view();
      if (evaluator_) evaluator_->evaluate(view, views_of(reader.branches()));
      add(view, origins);
      progress(entries);
    }
    result_.counts.skipped_links = reader.skipped_links();
    result_.counts.unstored_gen_jets = reader.unstored_gen_jets();
    result_.counts.check();
    const FileStamp now = stamp(result_.path);
    if (now.size != result_.size || now.modified_ns != result_.modified_ns) {
      fail(ErrorCode::FailedPrecondition, "the input ", result_.path.string(),
           " changed while it was read");
    }
    finish();
    return std::move(result_);
  }

 private:
  void open_rules(RootJetReader& reader) {
    if (options_.rules.empty()) return;
    evaluator_.emplace(
        rules_of_shards(options_.rules),
        [&reader](const std::string& name) { return reader.has_branch(name); },
        result_.path.string());
    reader.bind_branches(evaluator_->branches());
  }

  void add(const edm::JetView& jets, const JetOrigins& origins) {
    for (std::size_t row = 0; row < static_cast<std::size_t>(jets.num_jets); ++row) {
      if (!pass_cuts(options_.selection, jets, row, result_.counts)) continue;
      const Split split =
          file_split_ ? *file_split_ : split_by_hash(options_.split, jets.event[row]);
      JetVerdict verdict;
      if (evaluator_) verdict = evaluator_->judge(static_cast<std::int64_t>(row), split, group_);
      if (!count_fate(verdict.fate, jets, row, result_.counts)) continue;
      const auto at = static_cast<std::size_t>(split);
      ++result_.counts.selected_by_split[at];
      result_.counts.weight_by_split[at] += verdict.weight;
      write(jets, row, origins, split, verdict.weight);
    }
  }

  void write(const edm::JetView& jets, std::size_t row, const JetOrigins& origins, Split split,
             float weight) {
    static const std::vector<NumberColumn> kNone;
    const std::vector<NumberColumn>& observers = evaluator_ ? evaluator_->observers() : kNone;
    std::unique_ptr<detail::ShardWriter>& writer = writers_[static_cast<std::size_t>(split)];
    if (!writer) {
      writer =
          std::make_unique<detail::ShardWriter>(options_.output / shard_name(split, index_),
                                                options_.shard_batch_jets, weighted_, observers);
    }
    for (const NumberColumn& observer : observers) {
      if (observer.type == NumberType::Real && !std::isfinite(observer.real[row]))
        ++result_.counts.observers_not_finite;
    }
    writer->append(jets, static_cast<std::int64_t>(row), origins.entry[row], origins.jet[row],
                   weight, observers);
  }

  void finish() {
    for (std::size_t i = 0; i < kSplits.size(); ++i) {
      if (!writers_[i]) continue;
      writers_[i]->finish();
      result_.shards.push_back({kSplits[i], shard_name(kSplits[i], index_), writers_[i]->num_jets(),
                                writers_[i]->num_particles()});
    }
  }

  const IngestOptions& options_;
  const GroupRule group_;
  const bool weighted_;
  std::size_t index_;
  std::optional<Split> file_split_;
  std::optional<JetEvaluator> evaluator_;  // where there are rules
  IngestedFile result_;
  std::array<std::unique_ptr<detail::ShardWriter>, 3> writers_;
};

// Loads what an earlier run left, or starts anew.
detail::Manifest open_manifest(const IngestOptions& options,
                               const std::vector<detail::InputFile>& inputs) {
  const std::string description = detail::describe_options(options, inputs);
  std::optional<detail::Manifest> manifest = detail::load_manifest(options.output);
  if (manifest && manifest->options != description) {
    fail(ErrorCode::FailedPrecondition, options.output.string(),
         " holds the result of other inputs or options, ingest into another folder or remove it");
  }
  if (!manifest || manifest->files.size() != inputs.size()) {
    manifest.emplace();
    manifest->options = description;
    manifest->files.resize(inputs.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::optional<IngestedFile>& file = manifest->files[i];
    if (!file) continue;
    const FileStamp now = stamp(inputs[i].path);
    const bool shards_there =
        std::all_of(file->shards.begin(), file->shards.end(),
                    [&](const auto& shard) { return fs::exists(options.output / shard.name); });
    if (now.size != file->size || now.modified_ns != file->modified_ns || !shards_there)
      file.reset();
  }
  return std::move(*manifest);
}

// Says what makes jets of two files alike: the schema, and the kind of jets where it depends on the
// version.
std::string kind_of_jets(const RootSource& source) {
  if (!source.rows_are_events()) return std::string(schema_name(source.schema));
  const bool chs = source.layout.find("v8-like") != std::string::npos;
  return std::string(schema_name(source.schema)) + (chs ? " with CHS jets" : " with PUPPI jets");
}

// Jets of different schemas, or of NanoAOD before and after PUPPI, differ in meaning.
void check_alike(const IngestOptions& options, const std::vector<detail::InputFile>& inputs,
                 const detail::Manifest& manifest) {
  std::optional<RootSource> first;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::optional<RootSource> source;
    if (manifest.files[i]) source = manifest.files[i]->source;
    try {
      // An older manifest may not name the layout.
      if (!source || source->layout.empty())
        source = RootJetReader(inputs[i].path, options.tree).source();
    } catch (const Error&) {
      continue;  // a file that cannot be opened fails, with the same error, when its turn comes
    }
    if (!first) first = source;
    if (kind_of_jets(*source) == kind_of_jets(*first)) continue;
    fail(ErrorCode::InvalidArgument, "mixed inputs: ", first->path.string(), " is ", first->layout,
         " (", kind_of_jets(*first), ") and ", source->path.string(), " is ", source->layout, " (",
         kind_of_jets(*source), "), ingest them into different folders");
  }
}

std::int64_t read_entries(const std::optional<IngestedFile>& file) {
  return file ? file->source.num_entries : 0;
}

// What the threads share.
class Work {
 public:
  Work(const IngestOptions& options, detail::Manifest manifest, IngestProgress progress)
      : options_(options), manifest_(std::move(manifest)), progress_(std::move(progress)) {
    for (const auto& file : manifest_.files) {
      entries_ += read_entries(file);
      files_ += file ? 1 : 0;
    }
  }

  void run_file(const detail::InputFile& input, std::size_t index) {
    if (failed_) return;  // another thread's error is on its way up
    try {
      std::int64_t in_work = 0;
      FileIngest file(options_, input, index);
      IngestedFile result = file.run([&](std::int64_t entries) {
        if (stop_requested()) fail(ErrorCode::Cancelled, "stopped, run it again to resume");
        if (failed_) fail(ErrorCode::Cancelled, "stopped by the error of another file");
        in_work += entries;
        advance(entries);
      });
      const std::lock_guard lock(mutex_);
      manifest_.files[index] = std::move(result);
      detail::save_manifest(options_.output, manifest_);
      ++files_;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      failed_ = true;
      return;
    }
    advance(0);
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }
  const detail::Manifest& manifest() const noexcept { return manifest_; }

 private:
  void advance(std::int64_t entries) {
    const std::lock_guard lock(mutex_);
    entries_ += entries;
    if (progress_) progress_(entries_, files_, static_cast<std::int64_t>(manifest_.files.size()));
  }

  const IngestOptions& options_;
  std::mutex mutex_;
  detail::Manifest manifest_;
  IngestProgress progress_;
  std::int64_t entries_ = 0, files_ = 0;
  std::exception_ptr error_;
  std::atomic<bool> failed_ = false;
};

}  // namespace

IngestReport ingest(const IngestOptions& options, const IngestProgress& progress) {
  check_options(options);
  const std::vector<detail::InputFile> inputs = find_inputs(options);
  if (options.split.by == SplitBy::File) {
    for (const detail::InputFile& input : inputs)
      static_cast<void>(split_by_file(options.split, input.path));
  }
  const detail::OutputFolder folder(options.output);
  detail::Manifest manifest = open_manifest(options, inputs);
  check_alike(options, inputs, manifest);
  std::vector<std::size_t> todo;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!manifest.files[i]) todo.push_back(i);
  }
  // Before the first shard, so that other options meet their error even after an early kill.
  detail::save_manifest(options.output, manifest);
  Work work(options, std::move(manifest), progress);
  parallel_for(static_cast<std::int64_t>(todo.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const std::size_t index = todo[static_cast<std::size_t>(i)];
                   work.run_file(inputs[index], index);
                 }
               });
  const auto& files = work.manifest().files;
  if (std::none_of(files.begin(), files.end(), [](const auto& file) { return file.has_value(); })) {
    // A run that failed before its first shard leaves the folder as it found it, free for other
    // options.
    detail::remove_manifest(options.output);
  }
  work.rethrow();
  IngestReport report = detail::make_report(work.manifest());
  report.files_resumed = static_cast<std::int64_t>(inputs.size() - todo.size());
  report.counts.check();
  return report;
}

IngestReport read_manifest(const FileStore& store) {
  return detail::make_report(detail::read_finished_manifest(store));
}

IngestReport read_manifest(const fs::path& dir) {
  const std::optional<detail::Manifest> manifest = detail::load_manifest(dir);
  if (!manifest) fail(ErrorCode::NotFound, "no shards in ", dir.string(), ": no manifest.json");
  return detail::make_report(*manifest);
}

}  // namespace jetcal::data
