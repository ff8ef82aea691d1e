// SPDX-License-Identifier: Apache-2.0
// Opens MPI at run time: a program without it, and a machine without it, train alone or with TCP.
#pragma once

#include <memory>

#include "jetcal/workers/detail/links.h"
#include "jetcal/workers/place.h"

namespace jetcal::workers::detail {

/// Tells whether libexec/jetcal/jetcal-mpi.so lies where this program looks for it.
bool has_mpi_plugin();

/// Starts MPI and returns links over it. Throws Unimplemented when this build has no MPI,
/// Unavailable when its library cannot be opened, InvalidArgument when MPI knows of another rank or
/// world.
std::unique_ptr<Links> open_mpi_links(const Place& place);

/// What the plug-in exports under kMpiEntry. Both sides are of one build.
using OpenMpiLinks = Links* (*)(const Place& place);
inline constexpr const char* kMpiEntry = "jetcal_open_mpi_links";

}  // namespace jetcal::workers::detail
