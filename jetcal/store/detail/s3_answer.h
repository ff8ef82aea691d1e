// SPDX-License-Identifier: Apache-2.0
// What S3 servers answer, read from XML.
#pragma once

#include <string>
#include <vector>

#include "jetcal/store/object_store.h"

namespace jetcal::store::detail {

/// Why a request was refused; empty fields where the answer does not say.
struct S3Refusal {
  std::string code, message, region;
};
S3Refusal read_refusal(const std::string& xml);

/// One page of a listing.
struct S3Page {
  std::vector<ObjectInfo> objects;  ///< Names are whole keys.
  std::string next;                 ///< Token of the next page; "" after the last.
};
/// Throws DataLoss for what is no listing.
S3Page read_page(const std::string& xml);

/// Returns the name of an upload in parts that has begun. Throws DataLoss for any other answer.
std::string read_upload(const std::string& xml);
/// Tells whether an answer says that the parts have become an object; the status does not.
bool says_completed(const std::string& xml);
/// Makes the list that ends an upload, of the ETag of each part.
std::string part_list(const std::vector<std::string>& etags);

}  // namespace jetcal::store::detail
