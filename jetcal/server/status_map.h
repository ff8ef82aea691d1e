// SPDX-License-Identifier: Apache-2.0
// The one table from error codes to HTTP statuses.
#pragma once

#include "jetcal/base/error.h"

namespace jetcal::server {

/// Returns the HTTP status of a code; the mistakes of a client are 4xx, as in Triton.
constexpr int http_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::AlreadyExists:
    case ErrorCode::Cancelled:
      return 400;
    case ErrorCode::NotFound:
      return 404;
    case ErrorCode::ResourceExhausted:
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Unavailable:
      return 503;
    case ErrorCode::DeadlineExceeded:
      return 504;
    case ErrorCode::Unimplemented:
      return 501;
    case ErrorCode::DataLoss:
    case ErrorCode::Internal:
      return 500;
  }
  return 500;
}

}  // namespace jetcal::server
