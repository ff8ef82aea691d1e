// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/train/synthetic_jets.h"

namespace jetcal::train {
namespace {

Checkpoint example() {
  Checkpoint checkpoint;
  checkpoint.state = {{"step", 17}, {"loss", 0.1 + 0.2}, {"list", {1, 2}}};
  checkpoint.tensors["a"] = {1.5F, -0.0F, std::numeric_limits<float>::denorm_min()};
  checkpoint.tensors["b"] = {};
  return checkpoint;
}

ErrorCode code_of_loading(const std::filesystem::path& path) {
  try {
    load_checkpoint(path);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

// Without the sync to disk of write_file: hundreds of these would take their time.
void write_quickly(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST(Checkpoint, ComesBackBitForBit) {
  const TemporaryFolder folder;
  const Checkpoint written = example();
  save_checkpoint(written, folder.path() / "state");
  const Checkpoint read = load_checkpoint(folder.path() / "state");
  EXPECT_EQ(read.state, written.state);
  EXPECT_EQ(read.state.at("loss").get<double>(), 0.1 + 0.2);
  ASSERT_EQ(read.tensors.size(), 2U);
  EXPECT_EQ(std::memcmp(read.tensor("a").data(), written.tensor("a").data(), 12), 0);
  EXPECT_TRUE(read.tensor("b").empty());
  EXPECT_THROW(read.tensor("c"), Error);
}

TEST(Checkpoint, EveryTruncationAndFlippedByteIsFound) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "state";
  save_checkpoint(example(), path);
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_quickly(path, whole.substr(0, size));
    EXPECT_EQ(code_of_loading(path), ErrorCode::DataLoss) << size;
  }
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    write_quickly(path, changed);
    EXPECT_EQ(code_of_loading(path), ErrorCode::DataLoss) << i;
  }
}

// Bytes with a right hash whose header may lie.
std::string forged(const std::string& json, std::uint64_t json_size, const std::string& tail = "") {
  std::string bytes = "jetcal checkpoint 1\n";
  bytes.append(reinterpret_cast<const char*>(&json_size), sizeof(json_size));
  bytes += json + tail;
  const std::uint64_t hash = hash_bytes(bytes);
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  return bytes;
}
std::string forged(const std::string& json) { return forged(json, json.size()); }

TEST(Checkpoint, SizesThatLieAreRefused) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "state";
  const std::string sound = R"({"state":{},"tensors":[]})";
  write_quickly(path, forged(sound));
  EXPECT_NO_THROW(load_checkpoint(path));
  const std::vector<std::string> hostile{
      forged("{}", ~0ULL),
      forged("{}"),
      forged(sound, sound.size() - 1),
      forged(sound, sound.size(), "more"),
      forged(R"({"state":{},"tensors":[["a",4611686018427387905]]})"),
      forged(R"({"state":{},"tensors":[["a",-1]]})"),
      forged(R"({"state":{},"tensors":[["a",1]]})"),
      forged(R"({"state":{},"tensors":[[7]]})")};
  for (std::size_t i = 0; i < hostile.size(); ++i) {
    write_quickly(path, hostile[i]);
    EXPECT_EQ(code_of_loading(path), ErrorCode::DataLoss) << i;
  }
  EXPECT_EQ(code_of_loading(folder.path() / "none"), ErrorCode::NotFound);
}

}  // namespace
}  // namespace jetcal::train
