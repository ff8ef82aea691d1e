// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/onnx_metadata.h"

#include <gmock/gmock.h>

#include "jetcal/base/error.h"
#include "tests/engine/repository_fixture.h"

namespace jetcal::engine::detail {
namespace {

using OnnxMetadata = RepositoryTest;

TEST_F(OnnxMetadata, IsReadFromTheFile) {
  const std::map<std::string, std::string> metadata{{"fingerprint", "0123456789abcdef"},
                                                    {"config", "{}"}};
  write_file(folder_ / "m.onnx", doubling_model(kOnnxFloat, {"N"}, metadata));
  EXPECT_EQ(read_onnx_metadata(folder_ / "m.onnx"), metadata);
  EXPECT_THROW(read_onnx_metadata(folder_ / "other.onnx"), Error);
}

TEST_F(OnnxMetadata, SurvivesTruncationAndNoise) {
  const std::string good = doubling_model(kOnnxFloat, {"N"}, {{"fingerprint", "0123456789abcdef"}});
  int refused = 0;
  for (std::size_t size = 1; size < good.size(); ++size) {
    write_file(folder_ / "m.onnx", good.substr(0, size));
    try {
      read_onnx_metadata(folder_ / "m.onnx");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::DataLoss);
      ++refused;
    }
  }
  EXPECT_GT(refused, static_cast<int>(good.size() / 2));
  // A length of 2^63, and a group, which ONNX does not use.
  for (const std::string& bytes :
       {std::string("\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), std::string("\x0b\x0c")}) {
    write_file(folder_ / "m.onnx", bytes);
    EXPECT_THROW(read_onnx_metadata(folder_ / "m.onnx"), Error);
  }
}

}  // namespace
}  // namespace jetcal::engine::detail
