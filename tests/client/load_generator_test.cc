// SPDX-License-Identifier: Apache-2.0
#include "jetcal/client/load_generator.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"
#include "jetcal/client/load_report.h"
#include "tests/http/scripted_server.h"

namespace jetcal::client {
namespace {

using http::answer;
using http::answer_after;
using http::ScriptedServer;
using http::Step;

using nlohmann::ordered_json;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

const char* const kMetadata =
    R"({"name":"m","versions":["1"],"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[]})";

std::string statistics(std::int64_t requests, std::int64_t infer_us) {
  const ordered_json part = {{"count", requests}, {"ns", requests * infer_us * 1000}};
  return ordered_json{{"model_stats",
                       {{{"inference_count", 2 * requests},
                         {"execution_count", requests},
                         {"inference_stats", {{"compute_infer", part}, {"queue", part}}}}}}}
      .dump();
}

LoadOptions options_for(const ScriptedServer& server, double seconds) {
  LoadOptions options;
  options.server.url = server.url();
  options.server.retry.retries = 0;
  options.server.deadline = milliseconds(2000);
  options.model = "m";
  options.batch_sizes = {2};
  options.seconds = seconds;
  options.warmup_seconds = 0;
  return options;
}

TEST(LoadGenerator, CountsLatencyFromTheArrivalAndNotFromTheSending) {
  // One connection, 50 ms an answer, an arrival each 10 ms on average: they queue here, and an
  // instrument that starts its clock when it sends would see 50 ms for each of them.
  ScriptedServer server({answer(200, kMetadata), answer(200, statistics(0, 0)),
                         answer_after(milliseconds(50), "{}")});
  LoadOptions options = options_for(server, 0.3);
  options.rate = 100;
  options.seed = 5;
  const std::vector<double> due = poisson_arrivals(100, 0.3, 5);
  ASSERT_GT(due.size(), 15U);
  double mean_wait = 0, free_at = 0;
  for (const double time : due) {
    free_at = std::max(free_at, time) + 0.050;
    mean_wait += (free_at - time) * 1e6 / static_cast<double>(due.size());
  }
  // The last reply to the statistics is {}: the server knows no such extension.
  const LoadResult result = generate_load(options).front();
  EXPECT_EQ(result.round_trip.count, std::ssize(due));
  EXPECT_GT(result.round_trip.mean, 0.95 * mean_wait);
  EXPECT_LT(result.round_trip.mean, 3 * mean_wait);
  EXPECT_GT(result.round_trip.p50, 200e3);
  EXPECT_EQ(result.inference, 0);
}

TEST(LoadGenerator, AClosedLoopAsksWhenItHasItsAnswer) {
  ScriptedServer server({answer(200, kMetadata), answer(200, statistics(0, 0)),
                         answer_after(milliseconds(20), "{}")});
  LoadOptions options = options_for(server, 0.5);
  options.server.connections = 2;
  const LoadResult result = generate_load(options).front();
  EXPECT_GE(result.round_trip.p50, 20e3);
  EXPECT_LT(result.round_trip.p50, 200e3);
  EXPECT_GT(result.round_trip.count, 5);
  EXPECT_LE(result.round_trip.count, 52);
  EXPECT_NEAR(result.jets_per_second, 2 * result.requests_per_second, 1e-6);
}

TEST(LoadGenerator, TakesInferenceFromTheServersStatistics) {
  // Whatever the server says it did is believed.
  ScriptedServer server({answer(200, kMetadata), answer(200, statistics(100, 400)),
                         answer_after(milliseconds(200), "{}"), answer(200, statistics(200, 700))});
  const LoadResult result = generate_load(options_for(server, 0.1)).front();
  EXPECT_EQ(result.round_trip.count, 1);
  EXPECT_DOUBLE_EQ(result.inference, 1000);  // (200 x 700 - 100 x 400) / 100
  EXPECT_DOUBLE_EQ(result.queue, 1000);
  EXPECT_DOUBLE_EQ(result.jets_per_execution, 2);
  EXPECT_DOUBLE_EQ(result.overhead, result.round_trip.mean - 1000);
}

TEST(LoadGenerator, TellsRefusalsFromAnswers) {
  std::vector<Step> steps{answer(200, kMetadata), answer(200, statistics(0, 0))};
  for (int i = 0; i < 3; ++i) steps.push_back(answer_after(milliseconds(30), "{}"));
  Step busy = answer(503, R"({"error":"busy"})");
  busy.delay = milliseconds(30);
  for (int i = 0; i < 3; ++i) steps.push_back(busy);
  steps.push_back(answer_after(milliseconds(1000), "{}"));  // the loop is over when it comes
  steps.push_back(answer(200, "{}"));
  ScriptedServer server(steps);
  const LoadResult result = generate_load(options_for(server, 1)).front();
  EXPECT_EQ(result.round_trip.count, 4);
  EXPECT_EQ(result.failed.at("unavailable"), 3);
  EXPECT_EQ(result.refused.count, 3);
  EXPECT_GE(result.refused.p50, 30e3);
}

TEST(LoadGenerator, FindsRepliesThatDifferWhenAskedTo) {
  for (const bool check : {false, true}) {
    ScriptedServer server(
        {answer(200, kMetadata), answer(200, statistics(0, 0)),
         answer_after(milliseconds(50), "{}"), answer_after(milliseconds(50), "{}"),
         answer_after(milliseconds(50), "[]"), answer_after(milliseconds(1000), "{}")});
    LoadOptions options = options_for(server, 1);
    options.check_equal = check;
    const LoadResult result = generate_load(options).front();
    EXPECT_EQ(result.failed.count(kOtherReply), check ? 1U : 0U);
    EXPECT_EQ(result.round_trip.count, check ? 3 : 4);
  }
}

TEST(LoadGenerator, NamesWhatIsOutOfRange) {
  LoadOptions options;
  options.model = "m";
  EXPECT_NO_THROW(validate(options));
  for (const auto& change : std::vector<std::function<void(LoadOptions&)>>{
           [](auto& o) { o.model.clear(); }, [](auto& o) { o.batch_sizes = {0}; },
           [](auto& o) { o.batch_sizes.clear(); }, [](auto& o) { o.seconds = 0; },
           [](auto& o) { o.rate = -1; }, [](auto& o) { o.min_particles = 70; },
           [](auto& o) { o.server.connections = 0; }}) {
    LoadOptions wrong = options;
    change(wrong);
    EXPECT_THROW(validate(wrong), Error);
  }
}

TEST(LoadReport, ThePageHoldsTheDataOfEveryRun) {
  std::vector<LoadResult> results;
  for (const std::int64_t batch : {1, 32, 1024}) {
    LoadResult result;
    result.batch_size = batch;
    result.round_trip = summarise({100.0 * static_cast<double>(batch)});
    result.inference = 60.0 * static_cast<double>(batch);
    result.overhead = batch == 1 ? -3 : 40.0 * static_cast<double>(batch);
    results.push_back(result);
  }
  LoadOptions options;
  options.model = "<m>";
  const ordered_json report = load_report(options, results);
  EXPECT_EQ(report["results"][1]["round_trip_us"]["p50"], 3200);
  ordered_json other = report;
  other["model"] = "theirs";
  const std::vector<ordered_json> both{report, other};
  const std::string page = load_page(both);
  constexpr std::string_view kData = "id=\"data\" type=\"application/json\">";
  const std::size_t begin = page.find(kData) + kData.size();
  const ordered_json data =
      ordered_json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  EXPECT_EQ(data, ordered_json(both));
  EXPECT_THAT(page, Not(HasSubstr("<m>")));
  other["results"][0].erase("round_trip_us");
  EXPECT_THROW(load_page(std::vector{report, other}), Error);
}

}  // namespace
}  // namespace jetcal::client
