// SPDX-License-Identifier: Apache-2.0
#include "jetcal/data/jet_blocks.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/data/detail/manifest.h"
#include "jetcal/data/detail/shard_batch.h"
#include "jetcal/data/detail/shard_columns.h"
#include "jetcal/data/detail/shard_footer.h"
#include "jetcal/edm/regression_target.h"

namespace jetcal::data {

// Holds the schema of shards with some hundred observers, and the start of the first columns.
static constexpr std::int64_t kHeadBytes = 16 * 1024;
// Holds the footers of shards with up to two thousand blocks.
static constexpr std::int64_t kTailBytes = 64 * 1024;
// Columns start at cache lines.
static constexpr std::size_t kAlignment = 64;

PageMemory::PageMemory(std::size_t bytes) {
  void* const pages =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED)
    fail(ErrorCode::ResourceExhausted, "no memory for a block of ", bytes, " bytes");
  bytes_ = {static_cast<std::byte*>(pages), bytes};
}

PageMemory::~PageMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

PageMemory::PageMemory(PageMemory&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

PageMemory& PageMemory::operator=(PageMemory&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

struct JetBlocks::Shard {
  std::string file;
  std::int64_t num_jets = 0, num_particles = 0;
  std::shared_ptr<arrow::Schema> schema;  // Arrow's interface
  std::vector<detail::BatchPlace> batches;
  std::uint64_t hash = 0;  // of both ends
};

void run_concurrently(std::int64_t count, int num_threads,
                      const std::function<void(std::int64_t)>& work) {
  std::atomic<std::int64_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto run = [&] {
    for (std::int64_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < std::min<std::int64_t>(num_threads, count); ++t) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

namespace {

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void check(const arrow::Status& status, const std::string& name) {
  if (!status.ok()) fail(ErrorCode::DataLoss, "corrupt shard ", name, ": ", status.message());
}

std::shared_ptr<arrow::Buffer> wrap(std::span<const std::byte> bytes) {
  return std::make_shared<arrow::Buffer>(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                         std::ssize(bytes));
}

constexpr std::size_t kMagicBytes = 8;  // "ARROW1" and padding

// Returns where the schema of a shard ends; a mark and its length stand before it.
std::int64_t schema_end(std::span<const std::byte> head) {
  constexpr std::size_t kPrefixBytes = 8;
  std::int32_t length = 0;
  if (head.size() < kMagicBytes + kPrefixBytes) return 0;
  std::memcpy(&length, head.data() + kMagicBytes + kPrefixBytes - sizeof(length), sizeof(length));
  return static_cast<std::int64_t>(kMagicBytes + kPrefixBytes) + length;
}

std::shared_ptr<arrow::Schema> read_schema(const std::string& name,
                                           std::span<const std::byte> head) {
  if (head.size() < kMagicBytes) check(arrow::Status::Invalid("it is too short"), name);
  arrow::io::BufferReader stream(wrap(head.subspan(kMagicBytes)));
  arrow::ipc::DictionaryMemo memo;
  const auto schema = arrow::ipc::ReadSchema(&stream, &memo);
  check(schema.status(), name);
  // Arrow would look for the dictionary of each such column in the memo, which is not kept.
  if (memo.fields().num_fields() > 0)
    check(arrow::Status::Invalid("it has a column in a dictionary's codes"), name);
  return *schema;
}

}  // namespace

JetBlocks JetBlocks::open(std::shared_ptr<const FileStore> store, Split split, int connections) {
  const detail::Manifest manifest = detail::read_finished_manifest(*store);
  JetBlocks blocks;
  auto shards = std::make_shared<std::vector<Shard>>();
  for (const auto& file : manifest.files) {
    if (!file->source.has_particles() && blocks.without_particles_.empty())
      blocks.without_particles_ = file->path.string();
    for (const IngestedFile::Shard& shard : file->shards) {
      if (shard.split == split)
        shards->push_back({shard.name, shard.num_jets, shard.num_particles, nullptr, {}, 0});
    }
  }
  run_concurrently(std::ssize(*shards), connections, [&store, &shards](std::int64_t i) {
    Shard& shard = (*shards)[i];
    const std::string name = store->name_of(shard.file);
    const std::int64_t size = store->size(shard.file);
    std::vector<std::byte> tail(static_cast<std::size_t>(std::min(size, kTailBytes)));
    store->read(shard.file, size - std::ssize(tail), tail);
    const auto end = std::span(tail).last(std::min<std::size_t>(tail.size(), detail::kFooterEnd));
    const std::int64_t footer = detail::footer_bytes(name, end, size);
    if (footer + detail::kFooterEnd > std::ssize(tail)) {
      tail.resize(static_cast<std::size_t>(footer + detail::kFooterEnd));
      store->read(shard.file, size - std::ssize(tail), tail);
    }
    const auto whole = std::span<const std::byte>(tail).last(footer + detail::kFooterEnd);
    shard.batches = detail::parse_footer(name, whole.first(footer), size);
    std::vector<std::byte> head(static_cast<std::size_t>(std::min(size, kHeadBytes)));
    store->read(shard.file, 0, head);
    if (const std::int64_t needed = schema_end(head); needed > std::ssize(head) && needed <= size) {
      head.resize(static_cast<std::size_t>(needed));
      store->read(shard.file, 0, head);
    }
    shard.schema = read_schema(name, head);
    shard.hash = hash_bytes(as_text(whole), hash_bytes(as_text(head)));
  });
  blocks.store_ = std::move(store);
  blocks.shards_ = shards;
  std::uint64_t hash = 0;
  for (const Shard& shard : *shards) {
    blocks.add_shard(shard, manifest.batch_jets());
    hash = hash_bytes(fmt::format("{:016x}", shard.hash), hash);
  }
  const IngestCounts counts = detail::make_report(manifest).counts;
  blocks.particles_usable_ = counts.particles_unusable == 0;
  blocks.find_weights(counts, split);
  if (blocks.has_weights_) {
    for (const double sum : counts.weight_by_split)
      hash = hash_bytes(fmt::format("{:.17g}", sum), hash);
  }
  blocks.fingerprint_ = fmt::format("{:016x}", hash);
  return blocks;
}

void JetBlocks::find_weights(const IngestCounts& counts, Split split) {
  const auto weighted = [](const Shard& shard) {
    return shard.schema->GetFieldByName("training_weight") != nullptr;
  };
  const auto found = std::find_if(shards_->begin(), shards_->end(), weighted);
  if (found == shards_->end()) return;
  const auto lacking = std::find_if_not(shards_->begin(), shards_->end(), weighted);
  if (lacking != shards_->end()) {
    fail(ErrorCode::DataLoss, "the shard ", store_->name_of(lacking->file),
         " lacks the weights that ", store_->name_of(found->file), " has");
  }
  has_weights_ = true;
  for (const Split needed : {Split::Train, split})
    check_sum_of_weights(needed, counts.weight_by_split[static_cast<std::size_t>(needed)]);
  weight_scale_ = static_cast<double>(counts.selected_by_split[0]) / counts.weight_by_split[0];
}

// A shard has full batches, and a last one with what is left.
void JetBlocks::add_shard(const Shard& shard, std::int64_t batch_jets) {
  const std::int64_t wanted = (shard.num_jets + batch_jets - 1) / batch_jets;
  if (std::ssize(shard.batches) != wanted) {
    fail(ErrorCode::DataLoss, "the shard ", store_->name_of(shard.file), " has ",
         shard.batches.size(), " record batches, by its manifest it should have ", wanted);
  }
  const auto index = static_cast<std::size_t>(&shard - shards_->data());
  std::int64_t left = shard.num_jets;
  for (const detail::BatchPlace& batch : shard.batches) {
    blocks_.push_back({index, batch.offset, batch.description_bytes, batch.body_bytes});
    starts_.push_back(starts_.back() + std::min(left, batch_jets));
    left -= batch_jets;
    total_bytes_ += batch.bytes();
    largest_bytes_ = std::max(largest_bytes_, batch.bytes());
  }
  num_particles_ += shard.num_particles;
}

std::int64_t JetBlocks::block_of(std::int64_t row) const noexcept {
  return std::upper_bound(starts_.begin(), starts_.end(), row) - starts_.begin() - 1;
}

void JetBlocks::require_particles() const {
  if (without_particles_.empty()) return;
  fail(ErrorCode::FailedPrecondition,
       "jets without particle-flow candidates cannot be used with a network, in either mode: ",
       without_particles_, " is NanoAOD without candidates");
}

void JetBlocks::load(std::int64_t block, JetBlock& into) const {
  const Place& place = blocks_[static_cast<std::size_t>(block)];
  const Shard& shard = (*shards_)[place.shard];
  const std::string name = store_->name_of(shard.file);
  const auto description = static_cast<std::size_t>(place.description_bytes);
  const auto body = static_cast<std::size_t>(place.body_bytes);
  into.batch.reset();
  if (into.memory.bytes().size() < description + body + kAlignment) {
    // For the largest block at once, so that the memory fits every other one.
    into.memory = PageMemory(static_cast<std::size_t>(largest_bytes_) + kAlignment);
  }
  const std::size_t before = (kAlignment - description % kAlignment) % kAlignment;
  const auto bytes = into.memory.bytes().subspan(before, description + body);
  store_->read(shard.file, place.offset, bytes);
  const auto message =
      arrow::ipc::ReadMessage(wrap(bytes.first(description)), wrap(bytes.last(body)));
  check(message.status(), name);
  const auto batch = arrow::ipc::ReadRecordBatch(**message, shard.schema, nullptr,
                                                 arrow::ipc::IpcReadOptions::Defaults());
  check(batch.status(), name);
  check((*batch)->Validate(), name);
  into.batch = *batch;
  const detail::BatchView view = detail::view_batch(name, **batch);
  into.jets = view.jets;
  into.weights.clear();
  append_weights(view.extras.weight, into.weights);
  require_jets(block, into.jets.num_jets);
}

void JetBlocks::append_targets(std::int64_t block, JetTargets& out) const {
  const Place& place = blocks_[static_cast<std::size_t>(block)];
  const Shard& shard = (*shards_)[place.shard];
  std::vector<std::string> columns{"pt_reco", "pt_gen"};
  if (has_weights_) columns.emplace_back("training_weight");
  const auto batch = detail::read_columns(*store_, shard.file,
                                          {place.offset, place.description_bytes, place.body_bytes},
                                          shard.schema, columns);
  const detail::TargetView view = detail::view_targets(store_->name_of(shard.file), *batch);
  require_jets(block, view.jets.num_jets);
  for (std::int64_t row = 0; row < view.jets.num_jets; ++row)
    out.target.push_back(edm::regression_target(view.jets, row));
  append_weights(view.weight, out.weight);
}

void JetBlocks::append_weights(std::span<const float> stored, std::vector<float>& out) const {
  for (const float weight : stored) out.push_back(static_cast<float>(weight * weight_scale_));
}

void JetBlocks::require_jets(std::int64_t block, std::int64_t num_jets) const {
  const std::int64_t wanted = starts_[block + 1] - starts_[block];
  if (num_jets == wanted) return;
  fail(ErrorCode::DataLoss, "a record batch of the shard ",
       store_->name_of((*shards_)[blocks_[static_cast<std::size_t>(block)].shard].file), " has ",
       num_jets, " jets, by its manifest it should have ", wanted);
}

LoadedJets load_dataset(const JetBlocks& blocks, int connections) {
  // shared: copies of a Dataset read the same blocks
  auto memory = std::make_shared<std::vector<JetBlock>>(blocks.num_blocks());
  run_concurrently(blocks.num_blocks(), connections,
                   [&](std::int64_t block) { blocks.load(block, (*memory)[block]); });
  std::vector<edm::JetView> views;
  views.reserve(memory->size());
  std::vector<float> weights;
  for (const JetBlock& block : *memory) {
    views.push_back(block.jets);
    weights.insert(weights.end(), block.weights.begin(), block.weights.end());
  }
  return {Dataset::of_views(std::move(views), blocks.num_particles(), std::move(memory),
                            blocks.particles_usable()),
          std::move(weights)};
}

JetTargets load_targets(const JetBlocks& blocks, int connections,
                        const std::function<void()>& check) {
  JetTargets whole;
  whole.target.reserve(static_cast<std::size_t>(blocks.num_jets()));
  // Some at a time, so that `check` is heard between them and they are put together in order.
  std::vector<JetTargets> parts(static_cast<std::size_t>(8 * std::max(connections, 1)));
  for (std::int64_t first = 0; first < blocks.num_blocks(); first += std::ssize(parts)) {
    if (check) check();
    const std::int64_t count = std::min(std::ssize(parts), blocks.num_blocks() - first);
    run_concurrently(count, connections, [&](std::int64_t i) {
      parts[i] = {};
      blocks.append_targets(first + i, parts[i]);
    });
    for (const JetTargets& part : std::span(parts).first(count)) {
      whole.target.insert(whole.target.end(), part.target.begin(), part.target.end());
      whole.weight.insert(whole.weight.end(), part.weight.begin(), part.weight.end());
    }
  }
  return whole;
}

}  // namespace jetcal::data
