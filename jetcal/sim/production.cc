// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/production.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/sim/block.h"
#include "jetcal/sim/calibration_writer.h"
#include "jetcal/sim/event_factory.h"
#include "jetcal/sim/worker_processes.h"

namespace jetcal::sim {

namespace fs = std::filesystem;

namespace {

/// Changes with the code that makes events, so that blocks of an older one are not used again.
constexpr std::uint64_t kRevision = 2;
constexpr std::int64_t kPoolBlock = 1000;  // pool events made in a row

fs::path folder_of(const fs::path& output) {
  return output.has_parent_path() ? output.parent_path() : fs::path(".");
}

std::uint64_t pool_fingerprint(const ProductionOptions& options) {
  std::ostringstream text;
  text << "pool " << kRevision << ' ' << options.seed << ' ' << options.pool_events;
  for (const std::string& line : options.experiment.generator.pileup) text << '\n' << line;
  return hash_bytes(text.str());
}

std::uint64_t block_fingerprint(const ProductionOptions& options, std::int64_t num_events) {
  std::ostringstream text;
  text << "block " << kRevision << ' ' << options.seed << ' ' << options.block_events << ' '
       << num_events << ' ' << !options.output.empty() << ' ' << !options.calibration.empty() << ' '
       << pool_fingerprint(options) << '\n'
       << describe(options.experiment) << options.correction.fingerprint();
  return hash_bytes(text.str());
}

void check(const ProductionOptions& options) {
  const auto positive = [](std::int64_t value, const char* name) {
    if (value <= 0)
      fail(ErrorCode::InvalidArgument, "the option '", name, "' must be positive, not ", value);
  };
  if ((options.num_jets > 0) == (options.num_events > 0))
    fail(ErrorCode::InvalidArgument,
         "give a positive number of either jets or events (num_jets or events in a configuration)");
  positive(options.workers, "workers");
  positive(options.block_events, "block-events");
  if (options.experiment.pileup.mean > 0) positive(options.pool_events, "pileup-pool");
  if (options.anchor().empty())
    fail(ErrorCode::InvalidArgument, "name a file to make: output, calibration or both");
  if (options.output.empty() && options.num_jets > 0)
    fail(ErrorCode::InvalidArgument, "calibration alone counts events, not jets");
  for (const fs::path& file : {options.output, options.calibration}) {
    if (file.empty()) continue;
    if (fs::is_directory(file))
      fail(ErrorCode::InvalidArgument, "the output is a folder: ", file.string());
    // Found out now, not after hours of simulation.
    std::error_code error;
    fs::create_directories(folder_of(file), error);
    if (error)
      fail(ErrorCode::InvalidArgument, "cannot make the folder ", folder_of(file).string(), ": ",
           error.message());
  }
}

std::string numbered(const char* pattern, std::int64_t number) {
  char name[64];
  std::snprintf(name, sizeof(name), pattern, static_cast<long long>(number));
  return name;
}

/// Makes one stretch of the pool.
void make_pool_block(Generator& generator, std::uint64_t seed, std::int64_t num_events,
                     const fs::path& path, std::uint64_t fingerprint) {
  generator.restart(seed);
  std::vector<std::int64_t> offsets{0};
  std::vector<Particle> particles;
  std::vector<Particle> event;
  for (std::int64_t i = 0; i < num_events; ++i) {
    if (stop_requested()) fail(ErrorCode::Cancelled, "stopped; the same command resumes");
    generator.next(event);
    particles.insert(particles.end(), event.begin(), event.end());
    offsets.push_back(static_cast<std::int64_t>(particles.size()));
  }
  write_pool(path, fingerprint, offsets, particles);
}

/// Opens a pool file when it is there, whole and made with these options.
bool pool_is_there(const fs::path& path, std::uint64_t fingerprint) {
  if (!fs::exists(path)) return false;
  try {
    return PileupPool::open(path).fingerprint() == fingerprint;
  } catch (const Error&) {
    return false;  // a torn file of a killed run: made again
  }
}

void join_pool(const fs::path& path, const std::vector<fs::path>& parts,
               std::uint64_t fingerprint) {
  std::vector<std::int64_t> offsets{0};
  std::vector<Particle> particles;
  for (const fs::path& part : parts) {
    const PileupPool pool = PileupPool::open(part);
    for (std::int64_t i = 0; i < pool.num_events(); ++i) {
      const std::span<const Particle> event = pool.event(i);
      particles.insert(particles.end(), event.begin(), event.end());
      offsets.push_back(static_cast<std::int64_t>(particles.size()));
    }
  }
  write_pool(path, fingerprint, offsets, particles);
}

}  // namespace

PileupPool prepare_pool(const ProductionOptions& options, const ProgressReport& progress) {
  if (options.experiment.pileup.mean <= 0) return {};
  const std::uint64_t fingerprint = pool_fingerprint(options);
  char name[96];
  std::snprintf(name, sizeof(name), "pileup-seed%llu-%lld-%08llx.pool",
                static_cast<unsigned long long>(options.seed),
                static_cast<long long>(options.pool_events),
                static_cast<unsigned long long>(fingerprint & 0xFFFFFFFFULL));
  const fs::path path = folder_of(options.anchor()) / name;
  if (pool_is_there(path, fingerprint)) return PileupPool::open(path);

  const std::int64_t num_blocks = (options.pool_events + kPoolBlock - 1) / kPoolBlock;
  std::vector<fs::path> parts;
  for (std::int64_t i = 0; i < num_blocks; ++i)
    parts.push_back(path.string() + numbered(".%05lld", i));
  std::unique_ptr<Generator> generator;
  std::int64_t started = 0;
  std::int64_t finished = 0;
  progress("pileup pool", "events", 0, options.pool_events);
  const int workers = static_cast<int>(std::min<std::int64_t>(options.workers, num_blocks));
  run_in_processes(
      workers, [&] { return started < num_blocks ? started++ : -1; },
      [&](std::int64_t block) {
        const fs::path& part = parts[static_cast<std::size_t>(block)];
        const std::int64_t size = std::min(kPoolBlock, options.pool_events - block * kPoolBlock);
        if (pool_is_there(part, fingerprint)) return size;
        if (!generator)
          generator = std::make_unique<Generator>(options.experiment.generator.pileup);
        const std::uint64_t seed =
            mix64(mix64(options.seed, 0x706F6F6CULL), static_cast<std::uint64_t>(block));
        make_pool_block(*generator, seed, size, part, fingerprint);
        return size;
      },
      [&](std::int64_t /*block*/, std::int64_t size) {
        finished += size;
        progress("pileup pool", "events", finished, options.pool_events);
      });
  join_pool(path, parts, fingerprint);
  for (const fs::path& part : parts) fs::remove(part);
  return PileupPool::open(path);
}

namespace {

/// Runs the blocks of a production and keeps their files.
class BlockRun {
 public:
  explicit BlockRun(const ProductionOptions& options)
      : options_(options), folder_(options.anchor().string() + ".blocks") {}

  ~BlockRun() {
    std::error_code ignored;
    fs::remove(folder_, ignored);  // only when it is empty: a failed run keeps its finished blocks
  }
  BlockRun(const BlockRun&) = delete;
  BlockRun& operator=(const BlockRun&) = delete;

  void run(const PileupPool& pool, const ProgressReport& progress);
  Block read(std::int64_t index) const;
  std::int64_t num_blocks() const { return prefix_; }
  std::int64_t num_reused() const { return reused_; }
  void remove_files() const { fs::remove_all(folder_); }

 private:
  std::int64_t size_of(std::int64_t index) const {
    if (options_.num_events == 0) return options_.block_events;
    return std::min(options_.block_events, options_.num_events - index * options_.block_events);
  }
  fs::path path_of(std::int64_t index) const {
    return folder_ / numbered("block-%06lld.bin", index);
  }
  std::uint64_t fingerprint(std::int64_t index) const {
    return block_fingerprint(options_, size_of(index));
  }
  bool enough() const {
    if (options_.num_events == 0) return selected_ >= options_.num_jets;
    return prefix_ * options_.block_events >= options_.num_events;
  }
  std::int64_t next();
  void finished(std::int64_t index, std::int64_t result);
  static std::int64_t count_selected(const Block& block);

  const ProductionOptions& options_;
  fs::path folder_;
  std::map<std::int64_t, std::int64_t> waiting_;  // finished blocks beyond the prefix
  std::int64_t started_ = 0, prefix_ = 0, selected_ = 0, reused_ = 0;
};

std::int64_t BlockRun::count_selected(const Block& block) {
  return std::count_if(block.rows.begin(), block.rows.end(),
                       [](const JetRow& row) { return is_selected(row.values); });
}

std::int64_t BlockRun::next() {
  if (enough()) return -1;
  if (options_.num_events > 0 && started_ * options_.block_events >= options_.num_events) return -1;
  return started_++;
}

/// Counts the blocks without a gap from the first; a sample ends within them whatever the workers.
void BlockRun::finished(std::int64_t index, std::int64_t result) {
  waiting_[index] = result;
  while (!enough() && waiting_.count(prefix_) > 0) {
    const std::int64_t value = waiting_[prefix_];
    selected_ += value >> 1;
    reused_ += value & 1;
    ++prefix_;
  }
}

void BlockRun::run(const PileupPool& pool, const ProgressReport& progress) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error)
    fail(ErrorCode::InvalidArgument, "cannot make ", folder_.string(), ": ", error.message());
  std::unique_ptr<EventFactory> factory;
  const bool by_events = options_.num_events > 0;
  const std::int64_t total = by_events ? options_.num_events : options_.num_jets;
  const std::string unit = by_events ? "events" : "jets";
  progress("simulate", unit, 0, total);
  run_in_processes(
      options_.workers, [&] { return next(); },
      [&](std::int64_t index) {
        if (const auto block = read_block(path_of(index), fingerprint(index)))
          return count_selected(*block) * 2 + 1;
        if (!factory)
          factory = std::make_unique<EventFactory>(options_.experiment, pool, options_.correction);
        const Block block =
            factory->make({options_.seed, index, index * options_.block_events + 1, size_of(index),
                           !options_.output.empty(), !options_.calibration.empty()});
        write_block(path_of(index), fingerprint(index), block);
        return count_selected(block) * 2;
      },
      [&](std::int64_t index, std::int64_t result) {
        finished(index, result);
        const std::int64_t done = by_events ? prefix_ * options_.block_events : selected_;
        progress("simulate", unit, std::min(done, total), total);
      });
}

Block BlockRun::read(std::int64_t index) const {
  auto block = read_block(path_of(index), fingerprint(index));
  if (!block) fail(ErrorCode::DataLoss, "cannot read the block ", path_of(index).string());
  return std::move(*block);
}

/// Writes the blocks one by one and knows where the sample ends.
class SampleWriter {
 public:
  explicit SampleWriter(const ProductionOptions& options) : options_(options) {
    if (!options.output.empty()) ntuple_.emplace(options.output, options.ntuple);
    if (!options.calibration.empty())
      calibration_.emplace(options.calibration, options.ntuple.compression);
  }
  void write(const Block& block) {
    const std::uint64_t last = last_event(block);
    const auto within = [&](std::uint64_t event) { return event <= last; };
    std::uint64_t event = 0;
    for (const JetRow& row : block.rows) {
      if (!within(row.values.event)) break;
      if (row.values.event != event) ++summary_.events_accepted;
      event = row.values.event;
      ntuple_->write(row);
      statistics_.add(row);
    }
    for (const CalibrationJet& row : block.calibration_jets) {
      if (!within(row.event)) break;
      calibration_->write(row);
      ++summary_.calibration_jets;
    }
    for (const CalibrationEvent& row : block.calibration_events) {
      if (within(row.event)) calibration_->write(row);
    }
    summary_.generator_failures +=
        std::count_if(block.failed_events.begin(), block.failed_events.end(), within);
    summary_.events =
        std::min(summary_.events_simulated + block.num_events, static_cast<std::int64_t>(last));
    summary_.events_simulated += block.num_events;
    summary_.jets_outside_correction += block.num_outside;
    summary_.cpu_seconds += block.cpu_seconds;
  }
  ProductionSummary close() {
    if (ntuple_) ntuple_->close();
    if (calibration_) calibration_->close();
    statistics_.fill(summary_);
    return summary_;
  }

 private:
  /// Returns the number of the event that completes the sample; when the block does not, the
  /// largest number.
  std::uint64_t last_event(const Block& block) {
    if (options_.num_jets > 0) {
      for (const JetRow& row : block.rows) {
        selected_ += is_selected(row.values) ? 1 : 0;
        if (selected_ >= options_.num_jets) return row.values.event;
      }
    }
    return static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  }

  const ProductionOptions& options_;
  std::optional<NtupleWriter> ntuple_;
  std::optional<CalibrationWriter> calibration_;
  SampleStatistics statistics_;
  ProductionSummary summary_;
  std::int64_t selected_ = 0;
};

}  // namespace

ProductionSummary produce(const ProductionOptions& options, const ProgressReport& progress) {
  check(options);
  const auto start = std::chrono::steady_clock::now();
  const PileupPool pool = prepare_pool(options, progress);
  BlockRun run(options);
  run.run(pool, progress);
  SampleWriter writer(options);
  progress("write", "blocks", 0, run.num_blocks());
  for (std::int64_t i = 0; i < run.num_blocks(); ++i) {
    writer.write(run.read(i));
    progress("write", "blocks", i + 1, run.num_blocks());
  }
  ProductionSummary summary = writer.close();
  if (!options.keep_blocks) run.remove_files();
  summary.blocks = run.num_blocks();
  summary.blocks_reused = run.num_reused();
  summary.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace jetcal::sim
