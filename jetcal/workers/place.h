// SPDX-License-Identifier: Apache-2.0
// Where a process stands among the workers of a job, as whatever started it says in the
// environment.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace jetcal::workers {

/// Says which worker of how many a process is, and where the first one is reached.
struct Place {
  int rank = 0, world = 1;
  int local_rank = 0, local_world = 1;  ///< Among the workers on the same machine.
  std::string address;  ///< Of rank 0, for TCP; may be empty below mpirun, which knows its own way.
  int port = 0;
  std::string source = "none";  ///< What said so, for messages: "RANK and WORLD_SIZE", ...
  bool below_mpirun = false;    ///< Open MPI started it.
  /// Above 1: this process stands for so many workers, which it has to start (see launcher.h); rank
  /// and local_rank are those of the first.
  int workers_to_start = 1;
};

/// Looks up a variable of the environment; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// Reads the environment of this process.
Environment process_environment();

/// Finds the place, in this order: RANK and WORLD_SIZE (torchrun, PyTorchJob), OMPI_COMM_WORLD_*
/// (mpirun), PET_* (TrainJob), SLURM_* below srun; a process without any is alone.
///
/// MASTER_ADDR and MASTER_PORT (29500 where nothing is said) name rank 0 unless PET_* or SLURM_*
/// do. A PyTorchJob with several workers a pod sets RANK to the number of the pod, as torchrun
/// expects: that is seen from PET_NPROC_PER_NODE without LOCAL_RANK. PET_NPROC_PER_NODE=auto means
/// one worker with every core. Throws InvalidArgument naming the variables that are missing,
/// malformed or contradict each other.
Place find_place(const Environment& environment);

/// Returns the first host of a list as SLURM writes it: "node[03-07,9],gpu1" gives "node03".
/// Throws InvalidArgument for a list without one.
std::string first_host(const std::string& list);

}  // namespace jetcal::workers
