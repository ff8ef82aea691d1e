// SPDX-License-Identifier: Apache-2.0
// A study as an Experiment of Katib (kubeflow.org/v1beta1).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jetcal/hpo/study.h"

namespace jetcal::hpo {

/// What runs a trial in the cluster.
enum class KatibTrial {
  Job,         ///< batch/v1: one pod.
  PyTorchJob,  ///< kubeflow.org/v1: a master and workers.
  TrainJob,    ///< trainer.kubeflow.org/v1alpha1: nodes of a runtime.
};
/// Throws InvalidArgument for another word.
KatibTrial parse_katib_trial(const std::string& word);

/// A volume claim that trials mount.
struct KatibVolume {
  std::string claim, path;
  bool read_only = false;
};

/// What the study does not say.
struct KatibOptions {
  std::string name, name_space;
  std::string image;
  KatibTrial trial = KatibTrial::PyTorchJob;
  std::string runtime = "torch-distributed";  ///< Of TrainJob; its pods are called "node".
  std::string runtime_kind = "ClusterTrainingRuntime";  ///< Or TrainingRuntime, of the namespace.
  std::int64_t workers = 1;                             ///< Pods of a trial.
  std::int64_t parallel = 3;
  std::int64_t max_failed = 3;
  double cpus = 1;
  std::string memory = "4Gi";
  std::int64_t gpus = 0;
  std::string service_account;
  std::map<std::string, std::string> environment;
  /// Secret whose keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY become variables; empty: none.
  std::string secret;
  std::vector<KatibVolume> volumes;
  /// Of the container, with ${trialParameters.NAME} in place of values.
  std::vector<std::string> command;
  std::string metrics_file;   ///< Where the command writes name=value lines; empty: its output.
  bool metrics_json = false;  ///< The file holds lines of JSON.
  std::vector<std::string> more_metrics;  ///< Recorded beside the objective.
  /// Parameter for how far a trial trains, from `resource_low` to `resource_high`, of the
  /// algorithms that promote trials; empty: none. Beside it the trial parameter "trial" is the
  /// number that a trial and those that go on with it share.
  std::string resource;
  std::int64_t resource_low = 1, resource_high = 50;
  std::string algorithm;  ///< Katib's name for it; empty: "jetcal-" and ours.
};

/// Writes the manifest as YAML. Throws InvalidArgument for what Katib cannot do: conditional
/// parameters, two objectives, constraints, an integer on a logarithmic scale with steps; and for
/// what its webhook would refuse (katib_mistakes), all of it in one message.
std::string katib_experiment(const StudyDefinition& study, const KatibOptions& options);

}  // namespace jetcal::hpo
