// SPDX-License-Identifier: Apache-2.0
#include "jetcal/store/detail/s3_answer.h"

#include <pugixml.hpp>
#include <sstream>

#include "jetcal/base/error.h"

namespace jetcal::store::detail {

S3Refusal read_refusal(const std::string& xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return {};
  const pugi::xml_node error = document.child("Error");
  return {error.child_value("Code"), error.child_value("Message"), error.child_value("Region")};
}

S3Page read_page(const std::string& xml) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node listing = document.child("ListBucketResult");
  if (!parsed || !listing) {
    fail(ErrorCode::DataLoss, "the answer is no listing of objects: ",
         parsed ? "it has no ListBucketResult" : parsed.description());
  }
  S3Page page;
  for (const pugi::xml_node object : listing.children("Contents")) {
    page.objects.push_back({object.child_value("Key"), object.child("Size").text().as_llong(),
                            object.child_value("ETag")});
  }
  if (listing.child("IsTruncated").text().as_bool())
    page.next = listing.child_value("NextContinuationToken");
  return page;
}

std::string read_upload(const std::string& xml) {
  pugi::xml_document document;
  std::string id;
  if (document.load_buffer(xml.data(), xml.size()))
    id = document.child("InitiateMultipartUploadResult").child_value("UploadId");
  if (id.empty()) fail(ErrorCode::DataLoss, "the answer names no upload");
  return id;
}

bool says_completed(const std::string& xml) {
  pugi::xml_document document;
  return document.load_buffer(xml.data(), xml.size()) &&
         document.child("CompleteMultipartUploadResult");
}

std::string part_list(const std::vector<std::string>& etags) {
  pugi::xml_document document;
  pugi::xml_node list = document.append_child("CompleteMultipartUpload");
  for (std::size_t i = 0; i < etags.size(); ++i) {
    pugi::xml_node part = list.append_child("Part");
    part.append_child("PartNumber").text().set(std::uint64_t{i} + 1);
    part.append_child("ETag").text().set(etags[i].c_str());
  }
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

}  // namespace jetcal::store::detail
