// SPDX-License-Identifier: Apache-2.0
#include "jetcal/train/distributed_options.h"

#include <chrono>
#include <string>

#include "jetcal/base/error.h"

namespace jetcal::train {

workers::CommunicatorOptions DistributedOptions::communicator() const {
  workers::CommunicatorOptions options;
  options.backend = backend;
  options.start_timeout = std::chrono::seconds(static_cast<std::int64_t>(start_seconds));
  options.silence_timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(1000 * timeout_seconds));
  return options;
}

DistributedOptions read_distributed_options(const Config& config) {
  DistributedOptions options;
  options.workers = config.get("distributed.workers", options.workers);
  options.backend = workers::parse_backend(
      config.get("distributed.backend", std::string(workers::backend_name(options.backend))));
  options.bucket_kilobytes = config.get("distributed.bucket_kilobytes", options.bucket_kilobytes);
  options.sync_norm = config.get("distributed.sync_norm", options.sync_norm);
  options.timeout_seconds = config.get("distributed.timeout_seconds", options.timeout_seconds);
  options.start_seconds = config.get("distributed.start_seconds", options.start_seconds);
  return options;
}

void validate(const DistributedOptions& options) {
  if (options.workers < 1 || options.workers > 1024) {
    fail(ErrorCode::InvalidArgument, "distributed.workers must be from 1 to 1024, got ",
         options.workers);
  }
  if (options.bucket_kilobytes < 1) {
    fail(ErrorCode::InvalidArgument, "distributed.bucket_kilobytes must be at least 1, got ",
         options.bucket_kilobytes);
  }
  // Workers give a sign of life every second.
  if (!(options.timeout_seconds >= 3 && options.timeout_seconds <= 86400)) {
    fail(ErrorCode::InvalidArgument, "distributed.timeout_seconds must be from 3 to 86400, got ",
         options.timeout_seconds);
  }
  if (!(options.start_seconds >= 1 && options.start_seconds <= 86400)) {
    fail(ErrorCode::InvalidArgument, "distributed.start_seconds must be from 1 to 86400, got ",
         options.start_seconds);
  }
}

}  // namespace jetcal::train
