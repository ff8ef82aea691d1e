// SPDX-License-Identifier: Apache-2.0
// What runs a step on Kubeflow: the container of its executor, and what only Kubernetes knows of
// it.
#pragma once

#include "jetcal/pipeline/detail/kfp_places.h"

namespace jetcal::pipeline {

/// PipelineContainerSpec: image, command with placeholders, environment, resources.
Json write_kfp_container(const Pipeline& pipeline, const Step& step, const KfpPlaces& places,
                         const RenderOptions& options);

/// KubernetesExecutorConfig: secrets, the claim, the time limit; {} for a step without them.
Json write_kfp_platform(const Step& step, const KfpPlaces& places, const RenderOptions& options);

}  // namespace jetcal::pipeline
