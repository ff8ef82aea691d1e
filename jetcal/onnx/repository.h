// SPDX-License-Identifier: Apache-2.0
// Writes models into a repository in Triton's layout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "jetcal/models/model.h"

namespace jetcal::onnx {

struct RepositoryOptions {
  std::filesystem::path repository;
  std::string name = "optimal";  ///< Letters, digits, '_', '-', '.'; does not start with '.'.
  std::int64_t version = 1;      ///< At least 1.
  bool force = false;            ///< Replaces the version when it is there.
  bool triton_backend = false;   ///< config.pbtxt names libtriton_jetcal.so, not ONNX Runtime.
};

/// Returns the config.pbtxt of a network: inputs, output, max_batch_size 100000, and the graph
/// optimisation level of the paper (ParticleNet basic, PFN extended). With `triton_backend` it is
/// for libtriton_jetcal.so inside Triton, which then joins requests of different lengths; jetcal
/// serves it all the same.
std::string config_text(const models::ModelConfig& config, const std::string& name,
                        bool triton_backend = false);

/// Throws what write_repository would throw for these options before it writes anything.
void check_repository(const models::ModelConfig& config, const RepositoryOptions& options);

/// Writes REPOSITORY/NAME/config.pbtxt, NAME/VERSION/model.onnx and NAME/VERSION/model.jetcal, and
/// returns NAME/VERSION.
///
/// All appear at once or not at all: they are staged beside NAME and exchanged with it. Other
/// versions stay as they are. Throws AlreadyExists for a version that is there (unless `force`),
/// FailedPrecondition when other versions have another config.pbtxt, InvalidArgument for a name or
/// version that cannot be one, ResourceExhausted on a full disk.
std::filesystem::path write_repository(const models::Model& model,
                                       const RepositoryOptions& options);

}  // namespace jetcal::onnx
