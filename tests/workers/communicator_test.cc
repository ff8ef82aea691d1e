// SPDX-License-Identifier: Apache-2.0
#include "jetcal/workers/communicator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <optional>
#include <thread>

#include "jetcal/base/random.h"
#include "jetcal/workers/detail/exchange.h"
#include "jetcal/workers/detail/rendezvous.h"
#include "jetcal/workers/launcher.h"

namespace jetcal::workers {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::AnyOf;
using testing::HasSubstr;

Place place_of(const Place& job, int rank) {
  Place place = job;
  place.rank = rank;
  place.workers_to_start = 1;
  return place;
}

CommunicatorOptions quick() {
  CommunicatorOptions options;
  options.backend = Backend::Tcp;
  options.start_timeout = std::chrono::seconds(60);
  return options;
}

// Runs `work` as every rank of a job, each in a thread of its own; returns their errors.
std::vector<std::optional<Error>> run_job(int world, const std::function<void(Communicator&)>& work,
                                          const CommunicatorOptions& options = quick()) {
  const Place job = place_on_this_machine(world);
  std::vector<std::optional<Error>> errors(static_cast<std::size_t>(world));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Communicator communicator(place_of(job, rank), options);
        work(communicator);
      } catch (const Error& error) {
        errors[static_cast<std::size_t>(rank)] = error;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

void expect_no_errors(const std::vector<std::optional<Error>>& errors) {
  for (const std::optional<Error>& error : errors) EXPECT_FALSE(error) << error->what();
}

std::vector<float> values_of(int rank, std::size_t size) {
  Rng rng(static_cast<std::uint64_t>(rank) + 1);
  std::vector<float> values(size);
  for (float& value : values) value = static_cast<float>(rng.normal());
  return values;
}

class SumOverWorkers : public testing::TestWithParam<int> {};

TEST_P(SumOverWorkers, IsTheSumInTheOrderOfRanks) {
  const int world = GetParam();
  // Of every path: direct, by segments, fewer values than workers, none.
  const std::vector<std::size_t> sizes{0, 1, 3, 1000, 50'001, 200'000};
  const auto errors = run_job(world, [&](Communicator& job) {
    std::vector<std::vector<float>> values;
    std::vector<Communicator::Ticket> tickets;
    for (const std::size_t size : sizes) values.push_back(values_of(job.rank(), size));
    for (auto& some : values) tickets.push_back(job.start_sum(std::span<float>(some)));
    std::vector<double> doubles{1.0, static_cast<double>(job.rank())};
    job.sum(doubles);  // overtakes the others
    EXPECT_EQ(doubles[0], world);
    EXPECT_EQ(doubles[1], world * (world - 1) / 2);
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      job.wait(tickets[i]);
      std::vector<double> expected(sizes[i], 0.0);
      for (int rank = 0; rank < world; ++rank) {
        const std::vector<float> of_rank = values_of(rank, sizes[i]);
        for (std::size_t at = 0; at < sizes[i]; ++at) expected[at] += of_rank[at];
      }
      for (std::size_t at = 0; at < sizes[i]; ++at) {
        ASSERT_EQ(values[i][at], static_cast<float>(expected[at])) << sizes[i] << " " << at;
      }
    }
  });
  expect_no_errors(errors);
}

INSTANTIATE_TEST_SUITE_P(Worlds, SumOverWorkers, testing::Values(1, 2, 3, 4, 8),
                         testing::PrintToStringParamName());

TEST(Communicator, BroadcastsAndGathers) {
  const auto errors = run_job(3, [](Communicator& job) {
    std::string bytes = job.rank() == 0 ? std::string("a\0b", 3) + std::string(100'000, 'x') : "";
    job.broadcast(bytes);
    EXPECT_EQ(bytes.size(), 100'003U);
    EXPECT_EQ(bytes.substr(0, 3), std::string("a\0b", 3));
    std::string empty = job.rank() == 2 ? "" : "something";
    job.broadcast(empty, 2);
    EXPECT_EQ(empty, "");
    const std::vector<double> own(static_cast<std::size_t>(job.rank()), job.rank() + 0.5);
    const auto all = job.gather(own);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_THAT(all[0], testing::IsEmpty());
    EXPECT_THAT(all[1], testing::ElementsAre(1.5));
    EXPECT_THAT(all[2], testing::ElementsAre(2.5, 2.5));
    job.barrier();
  });
  expect_no_errors(errors);
}

TEST(Communicator, ManyRoundsInDisorderStayInStep) {
  const auto errors = run_job(3, [](Communicator& job) {
    Rng rng(static_cast<std::uint64_t>(job.rank()));
    for (int round = 0; round < 300; ++round) {
      std::vector<float> big(static_cast<std::size_t>(20'000 + round), static_cast<float>(round));
      const auto ticket = job.start_sum(std::span<float>(big));
      if (rng.below(50) == 0) std::this_thread::sleep_for(milliseconds(2));
      double small = round;
      job.sum({&small, 1});
      ASSERT_EQ(small, 3.0 * round);
      job.wait(ticket);
      ASSERT_EQ(big.back(), 3.0F * static_cast<float>(round));
    }
  });
  expect_no_errors(errors);
}

TEST(Communicator, AnErrorOfOneIsTheErrorOfAll) {
  const auto start = steady_clock::now();
  const auto errors = run_job(4, [](Communicator& job) {
    job.barrier();
    if (job.rank() == 2) {
      const Error error(ErrorCode::InvalidArgument, "jet 77 is broken");
      job.abort(error);
      throw Error(error);
    }
    std::vector<float> values(1000, 1.0F);
    job.wait(job.start_sum(std::span<float>(values)));
    FAIL() << "rank " << job.rank() << " saw nothing";
  });
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(8));
  for (int rank = 0; rank < 4; ++rank) {
    ASSERT_TRUE(errors[static_cast<std::size_t>(rank)]) << rank;
    EXPECT_EQ(errors[static_cast<std::size_t>(rank)]->code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(errors[static_cast<std::size_t>(rank)]->what(), HasSubstr("jet 77 is broken"));
    if (rank != 2) {
      EXPECT_THAT(errors[static_cast<std::size_t>(rank)]->what(), HasSubstr("rank 2: "));
    }
  }
}

// A peer that joins and then says nothing, as one whose machine has lost its power.
TEST(Communicator, NoticesAWorkerThatIsSilent) {
  const Place job = place_on_this_machine(2);
  std::atomic<bool> over = false;
  std::thread silent([&] {
    const auto sockets =
        detail::meet(place_of(job, 1), detail::Clock::now() + std::chrono::seconds(30));
    while (!over) std::this_thread::sleep_for(milliseconds(5));
  });
  CommunicatorOptions options = quick();
  options.silence_timeout = milliseconds(300);
  try {
    Communicator communicator(place_of(job, 0), options);
    communicator.barrier();
    ADD_FAILURE() << "nothing was noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_THAT(error.what(), HasSubstr("rank 1 (127.0.0.1) has not been heard of for"));
  }
  over = true;
  silent.join();
}

TEST(Communicator, NoticesAWorkerThatDies) {
  const Place job = place_on_this_machine(2);
  std::thread dying(
      [&] { detail::meet(place_of(job, 1), detail::Clock::now() + std::chrono::seconds(30)); });
  const auto start = steady_clock::now();
  try {
    Communicator communicator(place_of(job, 0), quick());
    communicator.barrier();
    ADD_FAILURE() << "nothing was noticed";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_THAT(error.what(), HasSubstr("rank 1 (127.0.0.1) is gone"));
  }
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
  dying.join();
}

TEST(Communicator, BytesThatAreNoMessageEndTheJob) {
  const Place job = place_on_this_machine(2);
  std::thread hostile([&] {
    const auto sockets =
        detail::meet(place_of(job, 1), detail::Clock::now() + std::chrono::seconds(30));
    const std::string noise(4096, '\xFF');
    detail::write_all(sockets[0], noise.data(), noise.size(),
                      detail::Clock::now() + std::chrono::seconds(5));
    std::this_thread::sleep_for(milliseconds(300));
  });
  try {
    Communicator communicator(place_of(job, 0), quick());
    communicator.barrier();
    ADD_FAILURE() << "nothing was noticed";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("something that is no message"));
  }
  hostile.join();
}

TEST(Communicator, NamesTheWorkersThatDoNotCome) {
  CommunicatorOptions options = quick();
  options.start_timeout = std::chrono::seconds(1);
  const Place job = place_on_this_machine(3);
  std::optional<Error> first;
  std::thread rank0([&] {
    try {
      const Communicator communicator(place_of(job, 0), options);
    } catch (const Error& error) {
      first = error;
    }
  });
  EXPECT_THROW(Communicator(place_of(job, 2), options), Error);
  rank0.join();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->code(), ErrorCode::Unavailable);
  EXPECT_THAT(first->what(), HasSubstr("rank 1 of 3 did not connect"));
}

TEST(Communicator, RefusesAWorkerOfAnotherJob) {
  const Place job = place_on_this_machine(2);
  Place other = place_of(job, 1);
  other.world = 3;
  std::optional<Error> second;
  std::thread rank1([&] {
    try {
      const Communicator communicator(other, quick());
    } catch (const Error& error) {
      second = error;
    }
  });
  try {
    const Communicator communicator(place_of(job, 0), quick());
    ADD_FAILURE() << "it was let in";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("told of 3 workers"));
  }
  rank1.join();
  ASSERT_TRUE(second);
  EXPECT_THAT(second->what(), HasSubstr("told of 3 workers"));
}

// Probes of a cluster connect to every open port and speak HTTP, or nothing.
TEST(Communicator, ProbesDoNotDisturbTheMeeting) {
  const Place job = place_on_this_machine(2);
  std::thread rank0([&] { Communicator(place_of(job, 0), quick()).barrier(); });
  const auto deadline = detail::Clock::now() + std::chrono::seconds(30);
  const detail::Descriptor probe = detail::connect_to(job.address, job.port, deadline);
  const std::string request = "GET /healthz HTTP/1.1\r\n\r\n" + std::string(400, ' ');
  EXPECT_TRUE(detail::write_all(probe, request.data(), request.size(), deadline));
  EXPECT_NO_THROW(Communicator(place_of(job, 1), quick()).barrier());
  rank0.join();
}

TEST(Communicator, APortInUseIsNamed) {
  const Place job = place_on_this_machine(2);
  const detail::Descriptor taken = detail::listen_on(job.address, job.port);
  try {
    const Communicator communicator(place_of(job, 0), quick());
    ADD_FAILURE() << "it was opened twice";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::FailedPrecondition);
    EXPECT_THAT(error.what(), HasSubstr("port " + std::to_string(job.port)));
  }
}

TEST(Communicator, CountsWhatItSends) {
  const auto errors = run_job(2, [](Communicator& job) {
    std::vector<float> values(1000, 1.0F);
    job.wait(job.start_sum(std::span<float>(values)));
    EXPECT_EQ(job.statistics().operations, 1);
    EXPECT_GE(job.statistics().bytes_sent, 4000);
    EXPECT_GE(job.statistics().wait_seconds, 0);
  });
  expect_no_errors(errors);
}

}  // namespace
}  // namespace jetcal::workers
