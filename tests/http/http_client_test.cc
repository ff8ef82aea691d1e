// SPDX-License-Identifier: Apache-2.0
#include "jetcal/http/http_client.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/http/scripted_server.h"

namespace jetcal::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Request request_for(const ScriptedServer& server, const char* method = "GET") {
  Request request;
  request.method = method;
  request.url = server.url() + "/a%20name?x=1";
  return request;
}

TEST(HttpClient, SendsEveryMethodWithItsBodyOverOneConnection) {
  ScriptedServer server({answer(200, "found", "X-Kind: Jets \r\n")});
  const Client client;
  for (const char* method : {"POST", "PATCH", "PUT"}) {
    Request request = request_for(server, method);
    request.headers = {"X-Who: me"};
    request.body = "pt=30";
    const Answer reply = client.send(request);
    EXPECT_EQ(reply.failure, "");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "found");
    EXPECT_EQ(reply.bytes, 5);
    EXPECT_EQ(reply.header("x-kind"), "Jets");
    EXPECT_EQ(reply.header("x-other"), "");
    const std::string sent = server.requests().back();
    EXPECT_THAT(sent, StartsWith(std::string(method) + " /a%20name?x=1 HTTP/1.1\r\n"));
    EXPECT_THAT(sent, HasSubstr("\r\nX-Who: me\r\n"));
    EXPECT_THAT(sent, testing::EndsWith("\r\n\r\npt=30"));
  }
  EXPECT_EQ(client.send(request_for(server)).status, 200);
  EXPECT_EQ(client.send(request_for(server, "DELETE")).status, 200);
  EXPECT_THAT(server.requests().back(), StartsWith("DELETE /a%20name?x=1 "));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, KeepsNoMoreOfABodyThanAskedFor) {
  ScriptedServer server({answer(403, std::string(1 << 20, 'x'))});
  Request request = request_for(server);
  request.most_kept = 5;
  const Answer reply = Client().send(request);
  EXPECT_EQ(reply.failure, "");
  EXPECT_EQ(reply.body, "xxxxx");
  EXPECT_EQ(reply.bytes, 1 << 20);
}

TEST(HttpClient, BodiesComeFromFilesAndGoIntoThem) {
  const TemporaryFolder folder;
  write_file(folder / "out", "0123456789");
  ScriptedServer server({answer(200, ""), answer(200, "good"), answer(404, "no such jet")});
  const Client client;
  Request put = request_for(server, "PUT");
  put.source = ::open((folder / "out").c_str(), O_RDONLY);
  put.source_bytes = 8;
  EXPECT_EQ(client.send(put).status, 200);
  EXPECT_THAT(server.requests().back(), testing::EndsWith("\r\n\r\n01234567"));
  ::close(put.source);

  Request get = request_for(server);
  get.sink = ::open((folder / "in").c_str(), O_WRONLY | O_CREAT, 0600);
  Answer reply = client.send(get);
  EXPECT_EQ(reply.bytes, 4);
  EXPECT_THAT(reply.body, IsEmpty());
  reply = client.send(get);  // a refusal is told, not stored
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.body, "no such jet");
  ::close(get.sink);
  EXPECT_EQ(read_file(folder / "in"), "good");

  get.sink = ::open("/dev/full", O_WRONLY);
  ScriptedServer again({answer(200, "good")});
  get.url = again.url();
  reply = client.send(get);
  EXPECT_EQ(reply.disk_error, ENOSPC);
  EXPECT_NE(reply.failure, "");
  EXPECT_FALSE(reply.may_pass);
  ::close(get.sink);
}

TEST(HttpClient, SaysWhyNoWholeAnswerCame) {
  ScriptedServer server({cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), hang_up(),
                         answer_after(milliseconds(1000), "late")});
  const Client client;
  Answer reply = client.send(request_for(server));
  EXPECT_TRUE(reply.truncated);
  EXPECT_TRUE(reply.may_pass);
  reply = client.send(request_for(server, "POST"));
  EXPECT_EQ(reply.status, 0);
  EXPECT_TRUE(reply.may_pass);
  EXPECT_FALSE(reply.truncated);
  Request hurried = request_for(server);
  hurried.limit = milliseconds(100);
  reply = client.send(hurried);
  EXPECT_THAT(reply.failure, HasSubstr("imed out"));
  EXPECT_TRUE(reply.may_pass);
}

TEST(HttpClient, AddressesNobodyAnswersAreNotWaitedFor) {
  std::string url;
  {
    const ScriptedServer gone({hang_up()});
    url = gone.url();
  }
  Request request;
  request.url = url;
  const Answer reply = Client().send(request);
  EXPECT_NE(reply.failure, "");
  EXPECT_TRUE(reply.may_pass);
  request.url = "file:///etc/passwd";
  EXPECT_NE(Client().send(request).failure, "");
}

TEST(HttpClient, ARequestEndsWhenItIsToldToStop) {
  ScriptedServer server({answer_after(milliseconds(4000), "late")});
  const auto begin = std::chrono::steady_clock::now();
  const Client client([&] { return std::chrono::steady_clock::now() - begin > milliseconds(50); });
  EXPECT_NE(client.send(request_for(server)).failure, "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(3500));
}

}  // namespace
}  // namespace jetcal::http
