// SPDX-License-Identifier: Apache-2.0
// Where a pipeline on Kubeflow has its data from outside: on the claim, or in an object store.
#pragma once

#include <string>

#include "jetcal/pipeline/graph.h"
#include "jetcal/pipeline/render.h"

namespace jetcal::pipeline {

class KfpPlaces {
 public:
  KfpPlaces(const Pipeline& pipeline, const RenderOptions& options)
      : pipeline_(pipeline), options_(options) {}

  /// Without a bucket, data lies on the claim; the importers of kfp know object stores alone.
  bool on_claim(const ExternalInput& input) const;
  bool on_claim(const InputPort& port) const;
  /// Whether a component takes the input as a parameter: a value, or a path on the claim.
  bool is_parameter(const InputPort& port) const;
  /// Name of the pipeline's parameter that holds the place, and its default value.
  std::string parameter(const ExternalInput& input) const;
  std::string place(const ExternalInput& input) const;

 private:
  const Pipeline& pipeline_;
  const RenderOptions& options_;
};

}  // namespace jetcal::pipeline
