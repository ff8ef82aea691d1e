// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/web_request.h"

#include <gtest/gtest.h>

namespace jetcal::board {
namespace {

server::HttpHead head_of(const std::string& target, std::vector<server::HttpHeader> headers = {}) {
  server::HttpHead head;
  head.method = "GET";
  head.target = target;
  head.headers = std::move(headers);
  return head;
}

TEST(ParseTarget, TakesPathAndQueryApart) {
  const Target target =
      parse_target(head_of("/api/runs/a%2Fb/x?step=train%5B2%5D&from=7&flag&q=a+b"));
  EXPECT_EQ(target.path, (std::vector<std::string>{"api", "runs", "a/b", "x"}));
  EXPECT_EQ(target.value("step"), "train[2]");
  EXPECT_EQ(target.value("from"), "7");
  EXPECT_EQ(target.value("flag"), "");
  EXPECT_EQ(target.value("q"), "a b");
  EXPECT_EQ(target.value("nothing"), "");
}

TEST(ParseTarget, IgnoresASlashAtTheEnd) {
  EXPECT_TRUE(parse_target(head_of("/")).path.empty());
  EXPECT_EQ(parse_target(head_of("/reports/1/")).path.size(), 2U);
  EXPECT_EQ(parse_target(head_of("//a")).path, (std::vector<std::string>{"", "a"}));
}

TEST(HostIsOurs, KnowsAddressesAndItsOwnNames) {
  const std::vector<std::string> names{"lab-3.example"};
  for (const char* good :
       {"localhost", "LOCALHOST:1", "127.0.0.1:8642", "[::1]:3", "10.0.0.7", "Lab-3.Example:8642"})
    EXPECT_TRUE(host_is_ours(head_of("/", {{"host", good}}), names)) << good;
  for (const char* bad : {"", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
                          "[::1", "lab-3.example.evil", "2130706433"})
    EXPECT_FALSE(host_is_ours(head_of("/", {{"host", bad}}), names)) << bad;
  EXPECT_FALSE(host_is_ours(head_of("/"), names));
}

TEST(ComesFromBoard, WantsItsHeaderAndItsOrigin) {
  const server::HttpHeader host{"host", "localhost:1"}, mark{"x-jetcal-board", "1"};
  EXPECT_TRUE(comes_from_board(head_of("/", {host, mark})));
  EXPECT_TRUE(comes_from_board(head_of("/", {host, mark, {"origin", "http://localhost:1"}})));
  EXPECT_FALSE(comes_from_board(head_of("/", {host, {"origin", "http://localhost:1"}})));
  for (const char* origin : {"null", "http://localhost:2", "http://evil.example", ""})
    EXPECT_FALSE(comes_from_board(head_of("/", {host, mark, {"origin", origin}}))) << origin;
  EXPECT_FALSE(comes_from_board(head_of("/", {host, mark, {"sec-fetch-site", "same-site"}})));
}

}  // namespace
}  // namespace jetcal::board
