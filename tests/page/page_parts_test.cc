// SPDX-License-Identifier: Apache-2.0
#include "jetcal/page/page_parts.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "jetcal/base/error.h"

namespace jetcal::page {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kMarkup =
    "<style>@STYLE@</style><script id=data>@DATA@</script><script>@CHARTS@</script>"
    "<script>@FUNCTIONS@</script><p>end</p>";

TEST(SelfContainedPage, CarriesItsPartsAndItsData) {
  if (chart_library().empty()) GTEST_SKIP() << "this build has no chart library";
  const std::string page = self_contained_page(kMarkup, {{"jets", 3}});
  EXPECT_THAT(page, HasSubstr("<script id=data>{\"jets\":3}</script>"));
  EXPECT_THAT(page, HasSubstr("font-family"));
  EXPECT_THAT(page, HasSubstr("function table("));
  EXPECT_THAT(page, HasSubstr(chart_library().substr(0, 1000)));
  EXPECT_THAT(page, testing::EndsWith("<p>end</p>"));
  EXPECT_THAT(page, Not(HasSubstr("@CHARTS@")));
  EXPECT_THROW(self_contained_page("<p>@STYLE@</p>", {}), Error);
}

TEST(SelfContainedPage, TextsOfTheDataStayTexts) {
  if (chart_library().empty()) GTEST_SKIP() << "this build has no chart library";
  const std::string hostile = "</script><!-- @CHARTS@ @FUNCTIONS@ \xff";
  const std::string page = self_contained_page(kMarkup, hostile);
  const std::size_t begin = page.find("<script id=data>") + 16;
  const std::string data = page.substr(begin, page.find("</script>", begin) - begin);
  EXPECT_EQ(ordered_json::parse(data), "</script><!-- @CHARTS@ @FUNCTIONS@ \xef\xbf\xbd");
  EXPECT_THAT(page, HasSubstr("function table("));
}

}  // namespace
}  // namespace jetcal::page
