// SPDX-License-Identifier: Apache-2.0
// The one table from error codes to HTTP statuses and gRPC codes.
#pragma once

#include "jetcal/base/error.h"
#include "jetcal/server/grpc_service.h"

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

/// Returns the gRPC status code; a full queue is Unavailable, as in Triton.
constexpr GrpcCode grpc_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return GrpcCode::InvalidArgument;
    case ErrorCode::AlreadyExists:
      return GrpcCode::AlreadyExists;
    case ErrorCode::Cancelled:
      return GrpcCode::Cancelled;
    case ErrorCode::NotFound:
      return GrpcCode::NotFound;
    case ErrorCode::ResourceExhausted:
    case ErrorCode::FailedPrecondition:
    case ErrorCode::Unavailable:
      return GrpcCode::Unavailable;
    case ErrorCode::DeadlineExceeded:
      return GrpcCode::DeadlineExceeded;
    case ErrorCode::Unimplemented:
      return GrpcCode::Unimplemented;
    case ErrorCode::DataLoss:
    case ErrorCode::Internal:
      return GrpcCode::Internal;
  }
  return GrpcCode::Unknown;
}

}  // namespace jetcal::server
