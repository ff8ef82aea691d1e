// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/object_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "jetcal/base/error.h"
#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"
#include "tests/store/environment_fixture.h"

namespace jetcal::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename Work>
ErrorCode code_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::Internal;
}

std::vector<std::string> names(const std::vector<ObjectInfo>& objects) {
  std::vector<std::string> all;
  for (const ObjectInfo& object : objects) all.push_back(object.name);
  return all;
}

TEST(Location, IsABucketWithAPrefixOrAFolder) {
  EXPECT_TRUE(is_remote("s3://bucket/prefix"));
  EXPECT_FALSE(is_remote("/folder"));
  EXPECT_EQ(split_location("s3://bucket/a/b/").bucket, "bucket");
  EXPECT_EQ(split_location("s3://bucket/a/b/").prefix, "a/b");
  EXPECT_EQ(split_location("s3://bucket").prefix, "");
  EXPECT_THROW(split_location("s3://"), Error);
  EXPECT_THROW(split_location("s3:///prefix"), Error);
}

TEST(Folder, GivesBackWhatWasPut) {
  const TemporaryFolder folder;
  const auto store = open_object_store((folder / "store").string());
  store->put("a/b.txt", "hello");
  write_file(folder / "file", "from a file");
  store->put_file("c", folder / "file");
  EXPECT_EQ(store->get("a/b.txt"), "hello");
  store->get_to_file("c", folder / "copy");
  EXPECT_EQ(read_file(folder / "copy"), "from a file");
  EXPECT_EQ(store->head("a/b.txt")->bytes, 5);
  EXPECT_FALSE(store->head("a").has_value());
  EXPECT_FALSE(store->head("none").has_value());
  EXPECT_EQ(store->counts().bytes_written, 16);
  EXPECT_EQ(store->counts().bytes_read, 16);
}

TEST(Folder, ListsByPrefixAndForgetsWhatIsRemoved) {
  const TemporaryFolder folder;
  const auto store = open_object_store(folder.path().string());
  for (const char* const name : {"b/2", "a", "b/1", "bc"}) store->put(name, name);
  write_file(folder / "half.part", "of a writer that was killed");
  EXPECT_THAT(names(store->list()), ElementsAre("a", "b/1", "b/2", "bc"));
  EXPECT_THAT(names(store->list("b/")), ElementsAre("b/1", "b/2"));
  store->remove("b/1");
  store->remove("b/1");
  EXPECT_THAT(names(store->list("b")), ElementsAre("b/2", "bc"));
  EXPECT_EQ(code_of([&] { store->get("b/1"); }), ErrorCode::NotFound);
}

TEST(Folder, VersionChangesWithTheContent) {
  const TemporaryFolder folder;
  const auto store = open_object_store(folder.path().string());
  store->put("a", "one");
  const std::string before = store->head("a")->version;
  store->put("a", "three");
  EXPECT_NE(store->head("a")->version, before);
}

TEST(Folder, OneOfManyWritersPutsWhatIsAbsent) {
  const TemporaryFolder folder;
  const auto store = open_object_store(folder.path().string());
  std::vector<std::thread> writers;
  std::vector<int> won(8);
  for (int i = 0; i < 8; ++i)
    writers.emplace_back([&, i] { won[i] = store->put_if_absent("lock", std::to_string(i)); });
  for (std::thread& writer : writers) writer.join();
  int winner = -1, winners = 0;
  for (int i = 0; i < 8; ++i) {
    if (won[i] == 0) continue;
    winner = i;
    ++winners;
  }
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(store->get("lock"), std::to_string(winner));
  EXPECT_THAT(names(store->list()), ElementsAre("lock"));
}

TEST(Folder, NamesLeadNowhereElse) {
  const TemporaryFolder folder;
  const auto store = open_object_store(folder.path().string());
  for (const char* const name : {"", "/a", "a/", "a//b", "../a", "a/./b", "a/.."})
    EXPECT_EQ(code_of([&] { store->put(name, "x"); }), ErrorCode::InvalidArgument) << name;
}

TEST(Folder, MissingOnesAreNamed) {
  const TemporaryFolder folder;
  const auto store = open_object_store((folder / "none").string());
  EXPECT_EQ(code_of([&] { store->list(); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { store->get("a"); }), ErrorCode::NotFound);
  EXPECT_EQ(code_of([&] { store->put_file("a", folder / "nothing"); }), ErrorCode::NotFound);
  EXPECT_FALSE(std::filesystem::exists(folder / "none" / "a"));
}

class Remote : public EnvironmentTest {};

TEST_F(Remote, NeedsCredentials) {
  EXPECT_EQ(code_of([] { open_object_store("s3://bucket"); }), ErrorCode::FailedPrecondition);
}

TEST_F(Remote, TellsWhenNobodyAnswers) {
  set("AWS_ACCESS_KEY_ID", "a");
  set("AWS_SECRET_ACCESS_KEY", "b");
  set("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
  set("AWS_MAX_ATTEMPTS", "2");
  const auto store = open_object_store("s3://bucket/prefix");
  try {
    store->get("name");
    FAIL() << "something answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_THAT(error.what(), HasSubstr("cannot read s3://bucket/prefix/name at "
                                        "http://127.0.0.1:9 in 2 attempts: "));
  }
  EXPECT_EQ(store->counts().requests, 2);
  EXPECT_EQ(store->counts().retries, 1);
}

}  // namespace
}  // namespace jetcal::store
