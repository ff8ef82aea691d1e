// SPDX-License-Identifier: Apache-2.0
#include "jetcal/suggest/cluster_client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "jetcal/base/error.h"

namespace jetcal::suggest {
namespace {

using testing::HasSubstr;

// Answers one connection after the other with the replies given, and keeps what was asked.
class FakeApiServer {
 public:
  explicit FakeApiServer(std::vector<std::string> replies) : replies_(std::move(replies)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    ::listen(listener_, 4);
    thread_ = std::thread([this] {
      for (const std::string& reply : replies_) serve(reply);
    });
  }
  ~FakeApiServer() {
    join();
    ::close(listener_);
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  const std::vector<std::string>& requests() const { return requests_; }

 private:
  void serve(const std::string& reply) {
    const int connection = ::accept(listener_, nullptr, nullptr);
    std::string text;
    std::size_t wanted = std::string::npos;
    char bytes[4096];
    while (text.size() < wanted) {
      const ssize_t got = ::recv(connection, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      text.append(bytes, static_cast<std::size_t>(got));
      const std::size_t head = text.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const std::size_t length = text.find("Content-Length: ");
      wanted = head + 4 + (length < head ? std::stoul(text.substr(length + 16)) : 0);
    }
    requests_.push_back(text);
    ::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
    ::close(connection);
  }
  std::vector<std::string> replies_, requests_;
  int listener_ = -1, port_ = 0;
  std::thread thread_;
};

std::string reply(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " X\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

TEST(MarkTrialStopped, AddsTheConditionToThoseThereAre) {
  FakeApiServer server(
      {reply(
           200,
           R"({"metadata":{"resourceVersion":"7"},"status":{"conditions":[{"type":"Running"}]}})"),
       reply(200, "{}")});
  mark_trial_stopped({server.url(), "jets", "secret", {}}, "jec-1");
  server.join();
  ASSERT_EQ(server.requests().size(), 2U);
  EXPECT_THAT(server.requests()[0],
              HasSubstr("GET /apis/kubeflow.org/v1beta1/namespaces/jets/trials/jec-1 HTTP"));
  const std::string& patch = server.requests()[1];
  EXPECT_THAT(patch,
              HasSubstr("PATCH /apis/kubeflow.org/v1beta1/namespaces/jets/trials/jec-1/status"));
  EXPECT_THAT(patch, HasSubstr("Authorization: Bearer secret"));
  EXPECT_THAT(patch, HasSubstr("Content-Type: application/merge-patch+json"));
  const auto body = nlohmann::json::parse(patch.substr(patch.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["metadata"]["resourceVersion"], "7");
  ASSERT_EQ(body["status"]["conditions"].size(), 2U);
  EXPECT_EQ(body["status"]["conditions"][1]["type"], "EarlyStopped");
  EXPECT_EQ(body["status"]["conditions"][1]["status"], "True");
}

TEST(MarkTrialStopped, ARepeatedCallChangesNothing) {
  FakeApiServer server({reply(200, R"({"status":{"conditions":[{"type":"EarlyStopped"}]}})")});
  mark_trial_stopped({server.url(), "jets", "secret", {}}, "jec-1");
  server.join();
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST(MarkTrialStopped, SaysWhatTheServerSaid) {
  FakeApiServer server({reply(404, "{}"), reply(403, "{}")});
  const ClusterAccount account{server.url(), "jets", "secret", {}};
  try {
    mark_trial_stopped(account, "jec-1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotFound);
    EXPECT_THAT(error.what(), HasSubstr("'jec-1'"));
  }
  try {
    mark_trial_stopped(account, "jec-1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_THAT(error.what(), HasSubstr("HTTP 403"));
  }
}

TEST(ClusterAccount, NeedsAPod) { EXPECT_THROW(ClusterAccount::of_pod("/nowhere"), Error); }

}  // namespace
}  // namespace jetcal::suggest
