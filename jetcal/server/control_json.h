// SPDX-License-Identifier: Apache-2.0
// Bodies of the requests that control a server, as JSON: settings, shared memory, loading.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "jetcal/engine/engine.h"
#include "jetcal/server/service_settings.h"
#include "jetcal/server/shared_memory.h"

namespace jetcal::server {

// Those that read a body throw InvalidArgument in the words of Triton.

LogSettings::Change log_change_of(std::string_view body);
nlohmann::ordered_json log_json(const LogSettings::Values& values);

TraceSettings::Values trace_change_of(std::string_view body);
nlohmann::ordered_json trace_json(const TraceSettings::Values& values);

SharedMemoryRegions::Region memory_region_of(const std::string& name, std::string_view body);
nlohmann::ordered_json memory_json(std::span<const SharedMemoryRegions::Region> regions);

/// Reads the parameters "config" and "file:PATH" (base64) of a load request; an empty body has
/// none.
engine::LoadOverride load_override_of(std::string_view body);

}  // namespace jetcal::server
