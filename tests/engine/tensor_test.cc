// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/tensor.h"

#include <gtest/gtest.h>

namespace jetcal::engine {
namespace {

using Shape = std::vector<std::int64_t>;

TEST(DataType, NamesAreThoseOfTheProtocolAndOfTriton) {
  for (int i = 0; i <= static_cast<int>(DataType::Bytes); ++i) {
    const auto type = static_cast<DataType>(i);
    const std::string name(data_type_name(type));
    EXPECT_EQ(parse_data_type(name), type);
    if (type != DataType::Bytes) {
      EXPECT_EQ(parse_data_type("TYPE_" + name), type);
    }
  }
  EXPECT_EQ(parse_data_type("TYPE_STRING"), DataType::Bytes);
  EXPECT_EQ(parse_data_type("FP128"), std::nullopt);
  EXPECT_EQ(parse_data_type(""), std::nullopt);
}

TEST(DataType, SizesAreThoseOfTheProtocol) {
  EXPECT_EQ(data_type_size(DataType::Bool), 1U);
  EXPECT_EQ(data_type_size(DataType::Bf16), 2U);
  EXPECT_EQ(data_type_size(DataType::Fp32), 4U);
  EXPECT_EQ(data_type_size(DataType::Int64), 8U);
  EXPECT_EQ(data_type_size(DataType::Bytes), 0U);
}

TEST(ElementCount, MultipliesAndRefusesOverflow) {
  EXPECT_EQ(element_count(Shape{}), 1);
  EXPECT_EQ(element_count(Shape{2, 3, 4}), 24);
  EXPECT_EQ(element_count(Shape{2, 0, 4}), 0);
  EXPECT_EQ(element_count(Shape{2, -1}), std::nullopt);
  EXPECT_EQ(element_count(Shape{0, -1}), std::nullopt);
  EXPECT_EQ(element_count(Shape{1LL << 32, 1LL << 32}), std::nullopt);
}

TEST(ShapeText, LooksLikeTritons) {
  EXPECT_EQ(shape_text(Shape{-1, 6, 100}), "[-1,6,100]");
  EXPECT_EQ(shape_text(Shape{}), "[]");
}

TEST(StringsOf, ReadsWhatAppendStringWrites) {
  std::vector<std::byte> data;
  for (const std::string_view text : {"", "one", "two words"}) append_string(data, text);
  EXPECT_EQ(strings_of(data), (std::vector<std::string_view>{"", "one", "two words"}));
  EXPECT_TRUE(strings_of({}).empty());
}

TEST(StringsOf, StopsAtTheFirstThatIsNotThere) {
  std::vector<std::byte> data;
  append_string(data, "one");
  append_string(data, "two");
  for (std::size_t size = 0; size < data.size(); ++size)
    EXPECT_EQ(strings_of(std::span(data).first(size)).size(), size < 7 ? 0U : 1U) << size;
  data.assign(4, std::byte{0xff});  // a length of 4 GiB
  EXPECT_TRUE(strings_of(data).empty());
}

}  // namespace
}  // namespace jetcal::engine
