// SPDX-License-Identifier: Apache-2.0
// The devices that --device names: what runs a network in training.
#pragma once

#include <string>

#include "jetcal/train/network_pass.h"

namespace jetcal::cli {

/// Returns what runs the network on a device; empty for "cpu".
///
/// Throws Unimplemented where this build has no room cuda, Unavailable without a GPU, and
/// InvalidArgument for another device or precision (float32, tf32 or bfloat16).
train::NetworkPassFactory device_pass(const std::string& device, const std::string& precision);

}  // namespace jetcal::cli
