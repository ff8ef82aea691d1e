// SPDX-License-Identifier: Apache-2.0
// A training run from start, or from its last checkpoint, to the tested network.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "jetcal/train/history.h"
#include "jetcal/train/jet_source.h"
#include "jetcal/train/network_pass.h"
#include "jetcal/train/options.h"
#include "jetcal/train/responses.h"
#include "jetcal/workers/communicator.h"

namespace jetcal::train {

/// Tells how far the present epoch is.
struct BatchProgress {
  std::int64_t epoch = 0, epochs = 0;  ///< `epoch` from 1.
  std::int64_t jets_done = 0, jets = 0;
  std::int64_t step = 0;  ///< Updates made so far, over all epochs.
  double loss = 0;        ///< Mean over this epoch so far.
  double learning_rate = 0;
  double seconds = 0, data_seconds = 0;  ///< Of this epoch: training, and waiting for jets therein.
  /// What of jets_done and seconds an earlier process did, from whose checkpoint this one goes on.
  std::int64_t earlier_jets = 0;
  double earlier_seconds = 0;
};

/// Lets the caller watch, stop and time a run; every function may be empty. All are called on the
/// thread of train().
struct TrainHooks {
  std::function<bool()> should_stop;                   ///< Asked after every batch.
  std::function<void(const BatchProgress&)> on_batch;  ///< After every step.
  std::function<void(const EpochRecord&)> on_epoch;    ///< After validation.
  std::function<void(std::int64_t step)> on_resume;    ///< A checkpoint was found.
  /// Draws response and resolution: PNG files by their tags. Asked every figure_epochs.
  std::function<std::vector<std::pair<std::string, std::string>>(const JetResponses&)> draw;
  std::function<double()> now;  ///< Seconds since 1970.
  NetworkPassFactory pass;      ///< Of options.device; empty for the CPU.
};

/// Trains, validates after every epoch, tests the state with the lowest validation loss.
///
/// Writes into options.output: model.jetcal, metrics.txt, history.json, tensorboard/ and
/// checkpoint/. Called again after it was stopped or killed it goes on from the last checkpoint; on
/// one thread the result is the same, bit for bit, as that of an uninterrupted run. Called again
/// after it has ended it returns the result. With options.pause_after it returns after that epoch,
/// without test and model file, and goes on when called with a later one.
///
/// With `workers` every worker calls it with the same options and jets; the first one writes the
/// files and checkpoints. A batch is shared between them, so that the result is that of one worker
/// up to rounding, and a run may go on with another number of workers. A stop that one is asked for
/// stops all after the same step; an error of one is thrown by all.
///
/// Throws InvalidArgument for options or jets that are wrong and when loss or gradient is not
/// finite (naming epoch and batch), FailedPrecondition when the folder holds another run or another
/// process works in it, Cancelled after a stop, DataLoss for a corrupt checkpoint,
/// ResourceExhausted on a full disk, Unavailable when another worker is gone.
TrainResult train(const TrainOptions& options, const JetSources& sources,
                  const TrainHooks& hooks = {}, workers::Communicator* workers = nullptr);

}  // namespace jetcal::train
