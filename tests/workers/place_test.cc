// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "jetcal/base/error.h"

namespace jetcal::workers {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

Environment environment(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

Place place_of(const Variables& variables) { return find_place(environment(variables)); }

std::string error_of(const Variables& variables) {
  try {
    find_place(environment(variables));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    return error.what();
  }
  return "no error";
}

void expect_place(const Place& place, int rank, int world, const std::string& address, int port) {
  EXPECT_EQ(place.rank, rank);
  EXPECT_EQ(place.world, world);
  EXPECT_EQ(place.address, address);
  EXPECT_EQ(place.port, port);
}

TEST(Place, IsAloneWithoutVariables) {
  const Place place = place_of({{"PATH", "/bin"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}});
  EXPECT_EQ(place.world, 1);
  EXPECT_EQ(place.rank, 0);
  EXPECT_EQ(place.workers_to_start, 1);
}

TEST(Place, FollowsTorchrun) {
  const Place place = place_of({{"RANK", "3"},
                                {"WORLD_SIZE", "4"},
                                {"LOCAL_RANK", "1"},
                                {"LOCAL_WORLD_SIZE", "2"},
                                {"MASTER_ADDR", "node0"},
                                {"MASTER_PORT", "1234"},
                                {"PET_NPROC_PER_NODE", "2"},
                                {"PET_NNODES", "2"},
                                {"PET_NODE_RANK", "1"}});
  expect_place(place, 3, 4, "node0", 1234);
  EXPECT_EQ(place.local_rank, 1);
  EXPECT_EQ(place.local_world, 2);
  EXPECT_EQ(place.workers_to_start, 1);
}

TEST(Place, FollowsAPyTorchJob) {
  // As the training operator sets them, with one worker a pod ...
  Variables variables{{"RANK", "1"},
                      {"WORLD_SIZE", "2"},
                      {"MASTER_ADDR", "job-master-0"},
                      {"MASTER_PORT", "23456"},
                      {"PET_NNODES", "2"},
                      {"PET_NODE_RANK", "1"},
                      {"PET_NPROC_PER_NODE", "1"},
                      {"PET_MASTER_ADDR", "job-master-0"}};
  expect_place(place_of(variables), 1, 2, "job-master-0", 23456);
  // ... and with three, where RANK is the number of the pod.
  variables["PET_NPROC_PER_NODE"] = "3";
  variables["WORLD_SIZE"] = "6";
  const Place place = place_of(variables);
  expect_place(place, 3, 6, "job-master-0", 23456);
  EXPECT_EQ(place.workers_to_start, 3);
  EXPECT_EQ(place.local_world, 3);
  variables["WORLD_SIZE"] = "5";
  EXPECT_THAT(error_of(variables), AllOf(HasSubstr("WORLD_SIZE=5"), HasSubstr("PET_NNODES=2")));
}

TEST(Place, FollowsATrainJob) {
  Variables variables{{"PET_NNODES", "4"},
                      {"PET_NPROC_PER_NODE", "2"},
                      {"PET_NODE_RANK", "3"},
                      {"PET_MASTER_ADDR", "job-node-0-0.job"},
                      {"PET_MASTER_PORT", "29400"}};
  Place place = place_of(variables);
  expect_place(place, 6, 8, "job-node-0-0.job", 29400);
  EXPECT_EQ(place.workers_to_start, 2);
  variables["PET_NPROC_PER_NODE"] = "auto";
  place = place_of(variables);
  expect_place(place, 3, 4, "job-node-0-0.job", 29400);
  EXPECT_EQ(place.workers_to_start, 1);
  variables["PET_NNODES"] = "1:4";
  EXPECT_THAT(error_of(variables), HasSubstr("PET_NNODES='1:4'"));
  EXPECT_THAT(error_of({{"PET_NNODES", "2"}, {"PET_NODE_RANK", "1"}}),
              HasSubstr("PET_MASTER_ADDR"));
  EXPECT_THAT(error_of({{"PET_NNODES", "2"}, {"PET_MASTER_ADDR", "a"}}),
              HasSubstr("no PET_NODE_RANK"));
}

TEST(Place, FollowsMpirun) {
  Variables variables{{"OMPI_COMM_WORLD_RANK", "1"},
                      {"OMPI_COMM_WORLD_SIZE", "2"},
                      {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                      {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  const Place place = place_of(variables);
  expect_place(place, 1, 2, "127.0.0.1", 29500);
  EXPECT_TRUE(place.below_mpirun);
  EXPECT_EQ(place.local_world, 2);
  // Several machines: MPI finds them, TCP would need an address.
  variables["OMPI_COMM_WORLD_SIZE"] = "4";
  EXPECT_EQ(place_of(variables).address, "");
}

TEST(Place, FollowsSrunButNotABatchScript) {
  const Place place = place_of({{"SLURM_PROCID", "5"},
                                {"SLURM_STEP_NUM_TASKS", "8"},
                                {"SLURM_LOCALID", "1"},
                                {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"},
                                {"SLURM_STEP_NODELIST", "gpu[07-08]"},
                                {"SLURM_JOB_ID", "1251"},
                                {"SLURM_STEP_ID", "2"}});
  expect_place(place, 5, 8, "gpu07", 15010);
  EXPECT_EQ(place.local_world, 4);
  EXPECT_EQ(place.local_rank, 1);
}

TEST(Place, TakesTheFirstThatIsThere) {
  Variables variables{
      {"RANK", "0"},         {"WORLD_SIZE", "2"},           {"MASTER_ADDR", "a"},
      {"PET_NNODES", "3"},   {"PET_NODE_RANK", "2"},        {"PET_MASTER_ADDR", "b"},
      {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "7"}, {"SLURM_STEP_NODELIST", "c"}};
  EXPECT_EQ(place_of(variables).source, "RANK and WORLD_SIZE");
  variables.erase("RANK");
  variables.erase("WORLD_SIZE");
  EXPECT_EQ(place_of(variables).source, "PET_*");
  EXPECT_EQ(place_of(variables).address, "b");
  variables["OMPI_COMM_WORLD_RANK"] = "1";
  variables["OMPI_COMM_WORLD_SIZE"] = "2";
  EXPECT_EQ(place_of(variables).source, "OMPI_COMM_WORLD_*");
}

TEST(Place, RefusesContradictionsByName) {
  EXPECT_THAT(error_of({{"RANK", "1"}}), HasSubstr("no WORLD_SIZE"));
  EXPECT_THAT(error_of({{"WORLD_SIZE", "2"}}), HasSubstr("no RANK"));
  EXPECT_THAT(error_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK=2 must be below"));
  EXPECT_THAT(error_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}}), HasSubstr("MASTER_ADDR"));
  EXPECT_THAT(error_of({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK='-1'"));
  EXPECT_THAT(error_of({{"RANK", "0"}, {"WORLD_SIZE", "2x"}}), HasSubstr("WORLD_SIZE='2x'"));
  EXPECT_THAT(
      error_of(
          {{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "70000"}}),
      HasSubstr("MASTER_PORT='70000'"));
  EXPECT_THAT(error_of({{"RANK", "0"},
                        {"WORLD_SIZE", "1"},
                        {"OMPI_COMM_WORLD_RANK", "1"},
                        {"OMPI_COMM_WORLD_SIZE", "2"}}),
              AllOf(HasSubstr("WORLD_SIZE=1"), HasSubstr("OMPI_COMM_WORLD_SIZE=2")));
  EXPECT_THAT(error_of({{"OMPI_COMM_WORLD_RANK", "0"}}), HasSubstr("no OMPI_COMM_WORLD_SIZE"));
}

TEST(Place, EmptyVariablesCountAsAbsent) {
  EXPECT_EQ(place_of({{"RANK", ""}, {"WORLD_SIZE", ""}}).world, 1);
}

TEST(FirstHost, ReadsTheListsOfSlurm) {
  EXPECT_EQ(first_host("node7"), "node7");
  EXPECT_EQ(first_host("node7,node9"), "node7");
  EXPECT_EQ(first_host("node[03-07,9],gpu1"), "node03");
  EXPECT_EQ(first_host("node[3,7]"), "node3");
  EXPECT_EQ(first_host("node[12]"), "node12");
  EXPECT_EQ(first_host("login,node[1-2]"), "login");
  EXPECT_EQ(first_host("rack[1-2]-cpu,x"), "rack1-cpu");
  for (const char* const broken : {"", "node[", "node[]", "node[1", "a[1]b[2]"}) {
    EXPECT_THROW(first_host(broken), Error) << broken;
  }
}

}  // namespace
}  // namespace jetcal::workers
