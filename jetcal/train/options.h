// SPDX-License-Identifier: Apache-2.0
// What a training run is told: network, optimizer, course of the epochs, where data and results
// live.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "jetcal/base/config.h"
#include "jetcal/data/data_rules.h"
#include "jetcal/data/reweighting.h"
#include "jetcal/models/model_config.h"
#include "jetcal/train/course.h"
#include "jetcal/train/distributed_options.h"
#include "jetcal/train/optimizer.h"
#include "jetcal/train/standardisation.h"
#include "jetcal/train/storage.h"

namespace jetcal::train {

/// Configures train().
struct TrainOptions {
  std::filesystem::path data;       ///< Folder of shards, or s3://bucket/prefix.
  std::filesystem::path output;     ///< Folder of the results; made when it is not there.
  data::DataRules rules;            ///< Which jets take part, and what they weigh.
  data::ReweightRules reweighting;  ///< Of the training spectrum.
  StandardisationRules standardisation;
  models::ModelConfig model;
  OptimizerOptions optimizer;
  CourseOptions course;
  std::int64_t epochs = 50;
  /// The run pauses after this epoch, to go on when it is called with a later one; 0: it does not.
  /// The learning rate's course is that of all epochs.
  std::int64_t pause_after = 0;
  std::int64_t batch_size = 500;
  std::int64_t seed = 1;                ///< Initial weights, order of the jets and dropout.
  std::int64_t checkpoint_steps = 200;  ///< A checkpoint at least every so many steps ...
  double checkpoint_seconds = 60;       ///< ... and every so many seconds.
  StorageOptions storage;
  DistributedOptions distributed;
  std::int64_t histogram_epochs = 10;  ///< Histograms every so many epochs; 0: none.
  std::int64_t figure_epochs = 10;     ///< Figures every so many epochs; 0: none.
  std::filesystem::path metrics_file;  ///< Gets the metrics too; empty: none.
  double flavor_weight = 0;            ///< Of the flavors' loss; above 0 there is a flavor head.
  bool closure = false;                ///< Correct the response after training, in pt and |eta|.
  bool restart = false;                ///< Throws an existing run in `output` away.
};

/// Reads the sections data, model and training, and output. Throws InvalidArgument naming the
/// field; unknown fields, and sizes of the other network, are rejected.
TrainOptions read_train_options(const Config& config);

/// Throws InvalidArgument naming the first field that is out of range.
void validate(const TrainOptions& options);

/// Lists all that decides about the result, under the names of the configuration file; folders and
/// checkpoint intervals do not.
nlohmann::json identity(const TrainOptions& options);

/// Returns the same as a flat object of scalars, without the other network's sizes.
nlohmann::json hyperparameters(const TrainOptions& options);

}  // namespace jetcal::train
