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

}  // namespace jetcal::store::detail
