// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kfp_places.h"

#include "jetcal/store/object_store.h"

namespace jetcal::pipeline {

bool KfpPlaces::on_claim(const ExternalInput& input) const {
  return options_.bucket.empty() && !store::is_remote(input.place());
}

bool KfpPlaces::on_claim(const InputPort& port) const {
  return port.source.kind == Source::Kind::External &&
         on_claim(*pipeline_.find_external(port.source.name));
}

bool KfpPlaces::is_parameter(const InputPort& port) const {
  return !is_artifact(port.type) || on_claim(port);
}

std::string KfpPlaces::parameter(const ExternalInput& input) const {
  return input.name + (on_claim(input) ? "_path" : "_uri");
}

std::string KfpPlaces::place(const ExternalInput& input) const {
  std::string path = input.place();
  if (store::is_remote(path)) return path;
  return (options_.bucket.empty() ? std::string(kClusterMount) : "s3://" + options_.bucket) + "/" +
         path;
}

}  // namespace jetcal::pipeline
