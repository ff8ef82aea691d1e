// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/chosen_steps.h"

#include <algorithm>
#include <vector>

#include "jetcal/base/error.h"

namespace jetcal::pipeline {
namespace {

void require_step(const Pipeline& pipeline, const std::string& name) {
  if (pipeline.find_step(name) == nullptr)
    fail(ErrorCode::InvalidArgument, "the pipeline ", pipeline.name, " has no step '", name, "'");
}

void mark_ancestors(const Pipeline& pipeline, const std::string& name,
                    std::set<std::string>& marked) {
  if (!marked.insert(name).second) return;
  for (const std::string& one : needs(pipeline, *pipeline.find_step(name)))
    mark_ancestors(pipeline, one, marked);
}

void check_resources(const Step& step, const RunOptions& options) {
  if (options.memory > 0 && step.resources.memory > options.memory)
    fail(ErrorCode::InvalidArgument, "the step '", step.name, "' asks for ", step.resources.memory,
         " bytes of memory, the run has ", options.memory);
  if (step.resources.gpus > options.gpus)
    fail(ErrorCode::InvalidArgument, "the step '", step.name, "' asks for ", step.resources.gpus,
         " GPUs, the run has ", options.gpus, "; see --gpus");
}

}  // namespace

ChosenSteps::ChosenSteps(const Pipeline& pipeline, const RunOptions& options)
    : pipeline_(pipeline), options_(options) {
  for (const std::string& name : {options_.from, options_.until})
    if (!name.empty()) require_step(pipeline_, name);
  for (const std::string& name : options_.force) require_step(pipeline_, name);
  if (!options_.until.empty()) mark_ancestors(pipeline_, options_.until, wanted_);
  for (const Step* step : in_order(pipeline_)) {
    const std::vector<std::string> before = needs(pipeline_, *step);
    const bool later = step->name == options_.from ||
                       std::any_of(before.begin(), before.end(), [this](const std::string& one) {
                         return later_.count(one) != 0;
                       });
    if (later) later_.insert(step->name);
  }
  for (const Step& step : pipeline_.steps)
    if (!left_out(step) && !kept(step)) check_resources(step, options_);
}

bool ChosenSteps::left_out(const Step& step) const {
  return !options_.until.empty() && wanted_.count(step.name) == 0;
}

bool ChosenSteps::kept(const Step& step) const {
  return !options_.from.empty() && later_.count(step.name) == 0;
}

bool ChosenSteps::forced(const Step& step) const {
  return options_.force_all || options_.force.count(step.name) != 0;
}

}  // namespace jetcal::pipeline
