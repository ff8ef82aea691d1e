// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/place.h"

#include <charconv>
#include <cstdlib>

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::workers {
namespace {

constexpr int kDefaultPort = 29500;  // torchrun's
constexpr int kMaxWorld = 1 << 16;

// Reads whole numbers from the environment and complains by name.
class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  bool has(const std::string& name) const { return text(name).has_value(); }
  // An empty variable is as good as none: Kubernetes templates leave such behind.
  std::optional<std::string> text(const std::string& name) const {
    std::optional<std::string> value = environment_(name);
    if (value && value->empty()) return std::nullopt;
    return value;
  }
  std::optional<int> number(const std::string& name, int least, int most) const {
    const std::optional<std::string> value = text(name);
    if (!value) return std::nullopt;
    const std::optional<int> number = parse_number<int>(*value);
    if (!number || *number < least || *number > most) {
      fail(ErrorCode::InvalidArgument, "the environment has ", name, "='", *value,
           "', expected a whole number from ", least, " to ", most);
    }
    return number;
  }
  int require(const std::string& name, int least, int most, const char* beside) const {
    const std::optional<int> value = number(name, least, most);
    if (!value) fail(ErrorCode::InvalidArgument, "the environment has ", beside, " but no ", name);
    return *value;
  }

 private:
  const Environment& environment_;
};

void check_rank(int rank, int world, const char* rank_name, const char* world_name) {
  if (rank >= world) {
    fail(ErrorCode::InvalidArgument, "the environment contradicts itself: ", rank_name, "=", rank,
         " must be below ", world_name, "=", world);
  }
}

// Fills in MASTER_ADDR and MASTER_PORT where they are given.
void read_master(const Reader& reader, Place& place) {
  place.address = reader.text("MASTER_ADDR").value_or(place.address);
  place.port =
      reader.number("MASTER_PORT", 1, 65535).value_or(place.port > 0 ? place.port : kDefaultPort);
}

void require_address(const Place& place, const char* name) {
  if (place.world > 1 && place.address.empty()) {
    fail(ErrorCode::InvalidArgument, "the environment (", place.source, ") speaks of ", place.world,
         " workers but not of the address of the first one: set ", name);
  }
}

// "auto", "cpu" and "gpu" are torchrun's words for a number that it finds itself.
int processes_per_node(const Reader& reader) {
  const std::optional<std::string> text = reader.text("PET_NPROC_PER_NODE");
  if (!text || *text == "auto" || *text == "cpu" || *text == "gpu") return 1;
  return *reader.number("PET_NPROC_PER_NODE", 1, kMaxWorld);
}

// Makes this process stand for `count` workers of the node.
void start_several(Place& place, int node, int count) {
  place.rank = node * count;
  place.local_rank = 0;
  place.local_world = count;
  place.workers_to_start = count;
}

void compare_with_mpi(const Reader& reader, const Place& place) {
  const std::optional<int> rank = reader.number("OMPI_COMM_WORLD_RANK", 0, kMaxWorld);
  const std::optional<int> world = reader.number("OMPI_COMM_WORLD_SIZE", 1, kMaxWorld);
  if ((rank && *rank != place.rank) || (world && *world != place.world)) {
    fail(ErrorCode::InvalidArgument, "the environment contradicts itself: RANK=", place.rank,
         " of WORLD_SIZE=", place.world,
         ", but mpirun says OMPI_COMM_WORLD_RANK=", rank.value_or(0),
         " of OMPI_COMM_WORLD_SIZE=", world.value_or(1),
         "; unset RANK and WORLD_SIZE to follow mpirun");
  }
}

Place from_rank(const Reader& reader) {
  Place place;
  place.source = "RANK and WORLD_SIZE";
  place.world = reader.require("WORLD_SIZE", 1, kMaxWorld, "RANK");
  place.rank = reader.require("RANK", 0, kMaxWorld, "WORLD_SIZE");
  check_rank(place.rank, place.world, "RANK", "WORLD_SIZE");
  place.local_world = reader.number("LOCAL_WORLD_SIZE", 1, kMaxWorld).value_or(1);
  place.local_rank = reader.number("LOCAL_RANK", 0, kMaxWorld).value_or(0);
  check_rank(place.local_rank, place.local_world == 1 ? kMaxWorld : place.local_world, "LOCAL_RANK",
             "LOCAL_WORLD_SIZE");
  compare_with_mpi(reader, place);
  place.below_mpirun = reader.has("OMPI_COMM_WORLD_RANK");
  const int per_node = processes_per_node(reader);
  if (per_node > 1 && !reader.has("LOCAL_RANK")) {
    const int nodes = reader.require("PET_NNODES", 1, kMaxWorld, "PET_NPROC_PER_NODE");
    const int node = reader.number("PET_NODE_RANK", 0, kMaxWorld).value_or(place.rank);
    if (nodes * per_node != place.world || node != place.rank || node >= nodes) {
      fail(ErrorCode::InvalidArgument, "the environment contradicts itself: RANK=", place.rank,
           " of WORLD_SIZE=", place.world, ", but PET_NODE_RANK=", node, " of PET_NNODES=", nodes,
           " with PET_NPROC_PER_NODE=", per_node);
    }
    start_several(place, node, per_node);
  }
  read_master(reader, place);
  require_address(place, "MASTER_ADDR");
  return place;
}

Place from_mpi(const Reader& reader) {
  Place place;
  place.source = "OMPI_COMM_WORLD_*";
  place.below_mpirun = true;
  place.world = reader.require("OMPI_COMM_WORLD_SIZE", 1, kMaxWorld, "OMPI_COMM_WORLD_RANK");
  place.rank = reader.require("OMPI_COMM_WORLD_RANK", 0, kMaxWorld, "OMPI_COMM_WORLD_SIZE");
  check_rank(place.rank, place.world, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
  place.local_world = reader.number("OMPI_COMM_WORLD_LOCAL_SIZE", 1, kMaxWorld).value_or(1);
  place.local_rank = reader.number("OMPI_COMM_WORLD_LOCAL_RANK", 0, kMaxWorld).value_or(0);
  check_rank(place.local_rank, place.local_world, "OMPI_COMM_WORLD_LOCAL_RANK",
             "OMPI_COMM_WORLD_LOCAL_SIZE");
  read_master(reader, place);
  if (place.address.empty() && place.local_world == place.world) place.address = "127.0.0.1";
  return place;
}

Place from_pet(const Reader& reader) {
  Place place;
  place.source = "PET_*";
  const std::optional<std::string> range = reader.text("PET_NNODES");
  if (range && range->find(':') != std::string::npos) {
    fail(ErrorCode::InvalidArgument, "the environment has PET_NNODES='", *range,
         "': a number of machines that changes while a job runs is not supported; give one number");
  }
  const int nodes = reader.require("PET_NNODES", 1, kMaxWorld, "PET_*");
  const int node = nodes == 1 ? reader.number("PET_NODE_RANK", 0, kMaxWorld).value_or(0)
                              : reader.require("PET_NODE_RANK", 0, kMaxWorld, "PET_NNODES");
  check_rank(node, nodes, "PET_NODE_RANK", "PET_NNODES");
  const int per_node = processes_per_node(reader);
  place.world = nodes * per_node;
  place.rank = node;
  if (per_node > 1) start_several(place, node, per_node);
  read_master(reader, place);
  place.address = reader.text("PET_MASTER_ADDR").value_or(place.address);
  place.port = reader.number("PET_MASTER_PORT", 1, 65535).value_or(place.port);
  if (nodes == 1 && place.address.empty()) place.address = "127.0.0.1";
  require_address(place, "PET_MASTER_ADDR");
  return place;
}

Place from_slurm(const Reader& reader) {
  Place place;
  place.source = "SLURM_*";
  place.world = reader.require("SLURM_STEP_NUM_TASKS", 1, kMaxWorld, "SLURM_PROCID");
  place.rank = reader.require("SLURM_PROCID", 0, kMaxWorld, "SLURM_STEP_NUM_TASKS");
  check_rank(place.rank, place.world, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS");
  place.local_rank = reader.number("SLURM_LOCALID", 0, kMaxWorld).value_or(0);
  // "4", or "4(x2),3": tasks of every node; the largest is what threads are shared by.
  const std::string tasks = reader.text("SLURM_STEP_TASKS_PER_NODE").value_or("1");
  std::from_chars(tasks.data(), tasks.data() + tasks.size(), place.local_world);
  const std::optional<std::string> nodes = reader.text("SLURM_STEP_NODELIST");
  if (nodes) place.address = first_host(*nodes);
  // Jobs that share a machine must not share a port; SLURM gives them different numbers.
  const int job = reader.number("SLURM_JOB_ID", 0, 2147483647).value_or(0);
  const int step = reader.number("SLURM_STEP_ID", 0, 2147483647).value_or(0);
  place.port = 15000 + (job % 1250) * 8 + step % 8;
  read_master(reader, place);
  require_address(place, "MASTER_ADDR");
  return place;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
}

Place find_place(const Environment& environment) {
  const Reader reader(environment);
  if (reader.has("RANK") || reader.has("WORLD_SIZE")) return from_rank(reader);
  if (reader.has("OMPI_COMM_WORLD_RANK") || reader.has("OMPI_COMM_WORLD_SIZE"))
    return from_mpi(reader);
  if (reader.has("PET_NNODES") || reader.has("PET_NODE_RANK")) return from_pet(reader);
  // Set by srun alone: a batch script itself also has SLURM_PROCID and SLURM_NTASKS.
  if (reader.has("SLURM_STEP_NUM_TASKS") && reader.has("SLURM_PROCID")) return from_slurm(reader);
  return {};
}

std::string first_host(const std::string& list) {
  const std::size_t bracket = list.find('[');
  std::string plain = list.substr(0, list.find(','));
  if (bracket == std::string::npos || bracket > plain.size()) {
    if (plain.empty()) fail(ErrorCode::InvalidArgument, "the list of hosts is empty");
    return plain;
  }
  const std::size_t end = list.find_first_of(",-]", bracket);
  if (end == std::string::npos || end == bracket + 1) {
    fail(ErrorCode::InvalidArgument, "cannot read the list of hosts '", list, "'");
  }
  std::string host = list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1);
  // What follows the bracket belongs to the name as well: "rack[1-2]-node".
  const std::size_t close = list.find(']', bracket);
  if (close == std::string::npos)
    fail(ErrorCode::InvalidArgument, "cannot read the list of hosts '", list, "'");
  const std::string rest = list.substr(close + 1, list.find(',', close) - close - 1);
  if (rest.find('[') != std::string::npos) {
    fail(ErrorCode::InvalidArgument, "cannot read the list of hosts '", list, "': set MASTER_ADDR");
  }
  return host + rest;
}

}  // namespace jetcal::workers
