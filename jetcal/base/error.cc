// SPDX-License-Identifier: Apache-2.0
#include "jetcal/base/error.h"

#include <cstdio>

namespace jetcal {

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return "invalid argument";
    case ErrorCode::NotFound:
      return "not found";
    case ErrorCode::AlreadyExists:
      return "already exists";
    case ErrorCode::DataLoss:
      return "data loss";
    case ErrorCode::ResourceExhausted:
      return "resource exhausted";
    case ErrorCode::FailedPrecondition:
      return "failed precondition";
    case ErrorCode::Unavailable:
      return "unavailable";
    case ErrorCode::DeadlineExceeded:
      return "deadline exceeded";
    case ErrorCode::Cancelled:
      return "cancelled";
    case ErrorCode::Unimplemented:
      return "unimplemented";
    case ErrorCode::Internal:
      return "internal";
  }
  return "unknown";
}

namespace detail {

void dcheck_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: promise broken: %s\n", file, line, condition);
  std::abort();
}

}  // namespace detail
}  // namespace jetcal
