// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/source_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "jetcal/base/error.h"
#include "jetcal/base/temporary_folder.h"

namespace jetcal::store::detail {
namespace {

ErrorCode code_of(const std::filesystem::path& path) {
  try {
    const SourceFile source(path);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << path << " was accepted";
  return ErrorCode::Internal;
}

TEST(SourceFile, KnowsItsLengthAndTheHashOfAPart) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a") << "xabcx";
  const SourceFile source(folder / "a");
  EXPECT_EQ(source.bytes(), 5);
  EXPECT_EQ(source.sha256(1, 3),  // FIPS 180-4, example B.1
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(SourceFile, RefusesWhatHasNoLength) {
  const TemporaryFolder folder;
  EXPECT_EQ(code_of(folder / "nothing"), ErrorCode::NotFound);
  EXPECT_EQ(code_of("/dev/null"), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of(folder.path()), ErrorCode::InvalidArgument);
}

TEST(SourceFile, ThatHasBecomeShorterIsAnError) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a") << "abc";
  const SourceFile source(folder / "a");
  std::filesystem::resize_file(folder / "a", 1);
  EXPECT_THROW(source.sha256(0, 3), Error);
}

}  // namespace
}  // namespace jetcal::store::detail
