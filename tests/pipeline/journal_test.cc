// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "jetcal/base/files.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;

TEST(Journal, KeepsEveryWholeLineOfAFileThatAKillCut) {
  const TemporaryFolder folder;
  const fs::path path = folder / "journal";
  {
    Journal journal(path);
    journal.add({{"event", "one"}});
    journal.add({{"event", "two"}});
  }
  const std::string whole = read_file(path);
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    std::ofstream(path, std::ios::trunc) << whole.substr(0, length);
    { Journal(path).add({{"event", "three"}}); }
    const std::vector<Json> entries = read_journal(path);
    ASSERT_FALSE(entries.empty());
    EXPECT_EQ(entries.back()["event"], "three");
    EXPECT_TRUE(entries.back().contains("time"));
    const auto lines = static_cast<std::size_t>(
        std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length), '\n'));
    EXPECT_GE(entries.size(), lines + 1);
  }
  fs::remove(path);
  EXPECT_TRUE(read_journal(path).empty());
}

}  // namespace
}  // namespace jetcal::pipeline
