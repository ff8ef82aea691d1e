// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/service_state.h"

#include "jetcal/server/detail/task_thread.h"

namespace jetcal::server {

ServiceState::ServiceState(ModelBackend& model_backend, const OipOptions& service_options)
    : backend(model_backend),
      options(service_options),
      parsing(std::make_shared<detail::TaskThread>()),
      control(std::make_shared<detail::TaskThread>()) {}

ServiceState::~ServiceState() {
  parsing->stop();
  control->stop();
}

SharedMemoryRegions& ServiceState::regions() {
  if (!options.shared_memory)
    fail(ErrorCode::InvalidArgument, "this server lets no client use shared memory");
  return shared_memory_;
}

}  // namespace jetcal::server
