// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdlib>
#include <memory>

namespace jetcal {

void set_up_logging() {
  // spdlog owns its loggers through shared_ptr.
  auto logger = std::make_shared<spdlog::logger>(
      "jetcal", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%H:%M:%S %^%l%$ %v");
  const char* level = std::getenv("JETCAL_LOG");
  logger->set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace jetcal
