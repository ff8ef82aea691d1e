// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/metrics_reader.h"

#include <gtest/gtest.h>

#include <cmath>

namespace jetcal::board {
namespace {

constexpr const char* kPage = R"(# HELP nv_inference_request_success Requests answered
# TYPE nv_inference_request_success counter
nv_inference_request_success{model="a \"b\" \\c",version="1"} 12
nv_inference_request_failure{model="a \"b\" \\c",version="1",reason="REJECTED"} 2
nv_inference_request_failure{model="a \"b\" \\c",version="1",reason="OTHER"} 1
nv_inference_count{model="a \"b\" \\c",version="1"} 48
nv_inference_exec_count{model="a \"b\" \\c",version="1"} 6
nv_inference_request_summary_us{model="a \"b\" \\c",version="1",quantile="0.99"} 700
jetcal_inference_request_duration_us_bucket{model="a \"b\" \\c",version="1",le="100"} 4
jetcal_inference_request_duration_us_bucket{model="a \"b\" \\c",version="1",le="+Inf"} 12
jetcal_http_requests_total 99
)";

TEST(ParseMetrics, ReadsLabelsWithEscapes) {
  const ServerCounts counts = server_counts(parse_metrics(kPage));
  ASSERT_EQ(counts.size(), 1U);
  const auto& [model, one] = *counts.begin();
  EXPECT_EQ(model.first, "a \"b\" \\c");
  EXPECT_EQ(one.success, 12);
  EXPECT_EQ(one.failure, 3);
  EXPECT_EQ(one.rows, 48);
  EXPECT_EQ(one.executions, 6);
  EXPECT_EQ(one.quantiles.at(0.99), 700);
  EXPECT_EQ(one.buckets.size(), 2U);
}

TEST(ParseMetrics, SurvivesHostilePages) {
  const std::string page = kPage;
  for (std::size_t end = 0; end <= page.size(); ++end) parse_metrics(page.substr(0, end));
  EXPECT_TRUE(parse_metrics("{\n}\n{x=\"\nname\nname{\nname{a=\" 1\n= 3\n\x01\xff \n").empty());
  EXPECT_TRUE(parse_metrics("name{a=\"b\"} text\n").empty());
}

TEST(BucketQuantile, IsLinearInsideABucket) {
  const std::map<double, double> before{{100, 10}, {200, 10}, {INFINITY, 10}};
  const std::map<double, double> after{{100, 20}, {200, 40}, {INFINITY, 40}};
  EXPECT_DOUBLE_EQ(bucket_quantile(before, after, 1.0 / 3), 100);  // 10 of the 30 new ones
  EXPECT_DOUBLE_EQ(bucket_quantile(before, after, 2.0 / 3), 150);
  EXPECT_DOUBLE_EQ(bucket_quantile(before, before, 0.5), 0);
  EXPECT_DOUBLE_EQ(bucket_quantile({}, {{100, 0}, {INFINITY, 5}}, 0.5), 100) << "beyond all bounds";
}

TEST(RateBetween, TakesAServerThatWasStartedAnewFromZero) {
  ModelCounts before, after;
  before.success = 1000;
  before.rows = 8000;
  before.executions = 100;
  before.buckets = {{100, 900}, {INFINITY, 1000}};
  after.success = 30;
  after.rows = 120;
  after.executions = 10;
  after.buckets = {{100, 30}, {INFINITY, 30}};
  const RatePoint point = rate_between(before, after, 2);
  EXPECT_DOUBLE_EQ(point.requests, 15);
  EXPECT_DOUBLE_EQ(point.rows, 60);
  EXPECT_DOUBLE_EQ(point.batch, 12);
  EXPECT_GT(point.p50, 0);
  EXPECT_LE(point.p99, 100);
}

}  // namespace
}  // namespace jetcal::board
