// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/checkpoint.h"

#include <cstdint>
#include <cstring>
#include <string_view>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::train {
namespace {

// Layout, little-endian: magic, u64 length of the JSON, JSON {state, tensors: [[name, size], ...]},
// the tensors one after the other, u64 hash of all before it.
constexpr std::string_view kMagic = "jetcal checkpoint 1\n";

void append_u64(std::string& out, std::uint64_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::uint64_t read_u64(std::string_view bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// Checks magic and hash; returns what lies between them.
std::string_view checked_body(std::string_view bytes, const std::filesystem::path& path) {
  constexpr std::size_t kHash = sizeof(std::uint64_t);
  if (bytes.substr(0, kMagic.size()) != kMagic.substr(0, bytes.size()))
    fail(ErrorCode::DataLoss, "not a jetcal checkpoint: ", path.string());
  if (bytes.size() < kMagic.size() + 2 * kHash ||
      hash_bytes(bytes.substr(0, bytes.size() - kHash)) !=
          read_u64(bytes.substr(bytes.size() - kHash))) {
    fail(ErrorCode::DataLoss, "the checkpoint is truncated or corrupt: ", path.string(),
         "; --restart begins anew");
  }
  return bytes.substr(kMagic.size(), bytes.size() - kMagic.size() - kHash);
}

Checkpoint parse_body(std::string_view body) {
  const std::uint64_t json_size = read_u64(body);
  body.remove_prefix(sizeof(json_size));
  if (json_size > body.size()) fail(ErrorCode::DataLoss, "its header is longer than the file");
  nlohmann::json header = nlohmann::json::parse(body.substr(0, json_size));
  body.remove_prefix(json_size);
  Checkpoint checkpoint;
  for (const auto& entry : header.at("tensors")) {
    const auto size = entry.at(1).get<std::uint64_t>();
    if (size > body.size() / sizeof(float))
      fail(ErrorCode::DataLoss, "a tensor is longer than the file");
    std::vector<float>& values = checkpoint.tensors[entry.at(0).get<std::string>()];
    values.resize(size);
    std::memcpy(values.data(), body.data(), size * sizeof(float));
    body.remove_prefix(size * sizeof(float));
  }
  if (!body.empty()) fail(ErrorCode::DataLoss, "it has ", body.size(), " bytes too many");
  checkpoint.state = std::move(header.at("state"));
  return checkpoint;
}

}  // namespace

const std::vector<float>& Checkpoint::tensor(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail(ErrorCode::DataLoss, "the checkpoint lacks '", name, "'");
  return found->second;
}

std::string encode(const Checkpoint& checkpoint) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [name, values] : checkpoint.tensors) list.push_back({name, values.size()});
  const std::string header = nlohmann::json{{"state", checkpoint.state}, {"tensors", list}}.dump();
  std::string out(kMagic);
  append_u64(out, header.size());
  out += header;
  for (const auto& [name, values] : checkpoint.tensors) {
    out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  append_u64(out, hash_bytes(out));
  return out;
}

Checkpoint decode(std::string_view bytes, const std::filesystem::path& path) {
  const std::string_view body = checked_body(bytes, path);
  try {
    return parse_body(body);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorCode::DataLoss, "the checkpoint is corrupt: ", path.string(), ": ", error.what());
  } catch (const Error& error) {
    fail(ErrorCode::DataLoss, "the checkpoint is corrupt: ", path.string(), ": ", error.what());
  }
}

void save_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& path) {
  write_file(path, encode(checkpoint));
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  return decode(read_file(path), path);
}

}  // namespace jetcal::train
