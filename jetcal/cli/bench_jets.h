// SPDX-License-Identifier: Apache-2.0
// The jets and the networks that benchmarks time: every engine gets the same ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jetcal/edm/features.h"
#include "jetcal/models/model.h"

namespace jetcal::cli {

/// Makes jets with a long-tailed number of particles: median 25, mean 28, 3 to 100. The same seed
/// gives the same jets; features and targets are plausible, not physics.
edm::FeatureBatch make_bench_jets(std::int64_t num_jets, std::uint64_t seed);

/// The same with every jet of `num_particles`.
edm::FeatureBatch make_even_jets(std::int64_t num_jets, std::int64_t num_particles,
                                 std::uint64_t seed);

/// Writes offsets, points, particles, jets and target as a safetensors file; atomic.
void save_bench_jets(const edm::FeatureBatch& jets, const std::filesystem::path& path);

/// Reads it back. Throws NotFound; DataLoss for a file that is cut or holds other sizes.
edm::FeatureBatch load_bench_jets(const std::filesystem::path& path);

/// Copies `count` jets, the first being `first` modulo the number of jets; goes round at the end.
edm::FeatureBatch slice_jets(const edm::FeatureBatch& jets, std::int64_t first, std::int64_t count);

/// Returns the configuration of a benchmark: pfn-best, pfn-large, pn-small, pn-best, pn-large, or a
/// preset; without dropout, so that every engine computes the same. Throws InvalidArgument.
models::ModelConfig bench_config(const std::string& name);

/// Loads a model file, or gives a named configuration random weights.
models::Model bench_model(const std::string& name, std::uint64_t seed);

/// Mean of models::macs_ragged over the jets: what one forward pass of a jet has to compute.
double mean_macs(const models::ModelConfig& config, const edm::FeatureBatch& jets);

}  // namespace jetcal::cli
