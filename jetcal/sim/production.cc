// SPDX-License-Identifier: Apache-2.0
#include "jetcal/sim/production.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/random.h"
#include "jetcal/base/stop.h"
#include "jetcal/sim/block.h"
#include "jetcal/sim/cards.h"
#include "jetcal/sim/event_factory.h"
#include "jetcal/sim/worker_processes.h"

namespace jetcal::sim {

namespace fs = std::filesystem;

namespace {

/// Changes with the code that makes events, so that blocks of an older one are not used again.
constexpr std::uint64_t kRevision = 1;
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

std::uint64_t block_fingerprint(const ProductionOptions& options, std::int64_t num_events,
                                bool calibration) {
  std::ostringstream text;
  text << "block " << kRevision << ' ' << options.seed << ' ' << options.block_events << ' '
       << num_events << ' ' << calibration << ' ' << pool_fingerprint(options) << '\n'
       << describe(options.experiment) << correction_card();
  return hash_bytes(text.str());
}

void check(const ProductionOptions& options) {
  const auto positive = [](std::int64_t value, const char* name) {
    if (value <= 0)
      fail(ErrorCode::InvalidArgument, "the option '", name, "' must be positive, not ", value);
  };
  if ((options.num_jets > 0) == (options.num_events > 0))
    fail(ErrorCode::InvalidArgument, "give a positive number of either jets or events");
  positive(options.workers, "workers");
  positive(options.block_events, "block-events");
  if (options.experiment.pileup.mean > 0) positive(options.pool_events, "pileup-pool");
  if (fs::is_directory(options.output))
    fail(ErrorCode::InvalidArgument, "the output is a folder: ", options.output.string());
  // Found out now, not after hours of simulation.
  std::error_code error;
  fs::create_directories(folder_of(options.output), error);
  if (error)
    fail(ErrorCode::InvalidArgument, "cannot make the folder ", folder_of(options.output).string(),
         ": ", error.message());
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
  const fs::path path = folder_of(options.output) / name;
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
  BlockRun(const ProductionOptions& options, bool calibration)
      : options_(options),
        calibration_(calibration),
        folder_(options.output.string() + ".blocks") {}

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
    return block_fingerprint(options_, size_of(index), calibration_);
  }
  bool enough() const {
    if (options_.num_events == 0) return selected_ >= options_.num_jets;
    return prefix_ * options_.block_events >= options_.num_events;
  }
  std::int64_t next();
  void finished(std::int64_t index, std::int64_t result);
  static std::int64_t count_selected(const Block& block);

  const ProductionOptions& options_;
  bool calibration_;
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
        if (!factory) factory = std::make_unique<EventFactory>(options_.experiment, pool);
        const Block block = factory->make({options_.seed, index, index * options_.block_events + 1,
                                           size_of(index), calibration_});
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

}  // namespace

ProductionSummary produce(const ProductionOptions& options, const ProgressReport& progress) {
  check(options);
  const auto start = std::chrono::steady_clock::now();
  const PileupPool pool = prepare_pool(options, progress);
  BlockRun run(options, false);
  run.run(pool, progress);
  ProductionSummary summary;
  SampleStatistics statistics;
  NtupleWriter writer(options.output, options.ntuple);
  std::int64_t selected = 0;
  progress("write", "blocks", 0, run.num_blocks());
  for (std::int64_t i = 0; i < run.num_blocks(); ++i) {
    const Block block = run.read(i);
    std::uint64_t event = 0;
    for (const JetRow& row : block.rows) {
      // The sample ends with the event that completes it.
      if (options.num_jets > 0 && selected >= options.num_jets && row.values.event != event) break;
      if (row.values.event != event) ++summary.events_accepted;
      event = row.values.event;
      selected += is_selected(row.values) ? 1 : 0;
      writer.write(row);
      statistics.add(row);
    }
    summary.events += block.num_events;
    summary.generator_failures += block.num_failures;
    summary.cpu_seconds += block.cpu_seconds;
    progress("write", "blocks", i + 1, run.num_blocks());
  }
  writer.close();
  if (!options.keep_blocks) run.remove_files();
  statistics.fill(summary);
  summary.blocks = run.num_blocks();
  summary.blocks_reused = run.num_reused();
  summary.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

std::string derive_correction(const ProductionOptions& options, const ProgressReport& progress) {
  check(options);
  const PileupPool pool = prepare_pool(options, progress);
  BlockRun run(options, true);
  run.run(pool, progress);
  std::vector<CalibrationJet> jets;
  for (std::int64_t i = 0; i < run.num_blocks(); ++i) {
    const Block block = run.read(i);
    jets.insert(jets.end(), block.calibration.begin(), block.calibration.end());
  }
  std::ostringstream header;
  header << "# The correction from jetRawPt to jetPt: an offset by area and density, then a factor "
            "by |eta| and pT.\n"
         << "# Made by: jetcal simulate --derive-correction FILE --events " << options.num_events
         << " --seed " << options.seed << " --pileup-pool " << options.pool_events << "\n"
         << "# from " << jets.size() << " matched jets without a threshold.\n";
  std::string card = Correction::derive(jets).to_yaml(header.str());
  run.remove_files();
  return card;
}

}  // namespace jetcal::sim
