// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/s3_answer.h"

#include <gtest/gtest.h>

#include "jetcal/base/error.h"
#include "jetcal/store/detail/object_name.h"

namespace jetcal::store::detail {
namespace {

TEST(S3Answer, ReadsPagesWithEntitiesAndTokens) {
  const S3Page page = read_page(
      "<?xml version='1.0'?><ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'>"
      "<IsTruncated>true</IsTruncated><NextContinuationToken>n+1=</NextContinuationToken>"
      "<Contents><Key>a&amp;b</Key><Size>6442450944</Size><ETag>&quot;e&quot;</ETag></Contents>"
      "<Contents><Key>c</Key><Size>0</Size></Contents></ListBucketResult>");
  ASSERT_EQ(page.objects.size(), 2U);
  EXPECT_EQ(page.objects[0].name, "a&b");
  EXPECT_EQ(page.objects[0].bytes, 6442450944);
  EXPECT_EQ(page.objects[0].version, "\"e\"");
  EXPECT_EQ(page.next, "n+1=");
}

TEST(S3Answer, EveryCutOfAPageIsRefused) {
  const std::string whole =
      "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>";
  EXPECT_EQ(read_page(whole).objects.size(), 1U);
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THROW(read_page(whole.substr(0, length)), Error) << length;
  EXPECT_THROW(read_page("<Error><Code>x</Code></Error>"), Error);
}

TEST(S3Answer, ReadsWhyARequestWasRefused) {
  const S3Refusal refusal = read_refusal(
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong"
      "</Message><Region>eu-west-1</Region></Error>");
  EXPECT_EQ(refusal.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(refusal.message, "the region is wrong");
  EXPECT_EQ(refusal.region, "eu-west-1");
  EXPECT_EQ(read_refusal("<html>no").code, "");
  EXPECT_EQ(read_refusal("").code, "");
}

TEST(S3Answer, ReadsAndEndsAnUploadInParts) {
  EXPECT_EQ(read_upload("<InitiateMultipartUploadResult xmlns='x'><Bucket>b</Bucket>"
                        "<UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>"),
            "a&b");
  for (const char* xml : {"", "<Error><Code>x</Code></Error>", "<InitiateMultipartUploadResult/>"})
    EXPECT_THROW(read_upload(xml), Error) << xml;
  EXPECT_EQ(
      part_list({"\"e\"", "<f>"}),
      "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"e\"</ETag></Part>"
      "<Part><PartNumber>2</PartNumber><ETag>&lt;f&gt;</ETag></Part></CompleteMultipartUpload>");
  EXPECT_TRUE(says_completed("<CompleteMultipartUploadResult xmlns='x'/>"));
  EXPECT_FALSE(says_completed("<Error><Code>InternalError</Code></Error>"));
  EXPECT_FALSE(says_completed(""));
}

}  // namespace
}  // namespace jetcal::store::detail
