// SPDX-License-Identifier: Apache-2.0
// The one exception of jetcal, its codes, and Result for places where failure is ordinary.
#pragma once

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace jetcal {

/// Says what kind of failure an Error is; one table at each edge maps it to HTTP, gRPC, Triton or
/// an exit status.
enum class ErrorCode {
  InvalidArgument,     ///< The caller's input is wrong: flag, field, shape, value.
  NotFound,            ///< A file, model, branch or version that does not exist.
  AlreadyExists,       ///< The output is there and must not be overwritten.
  DataLoss,            ///< A file is truncated or corrupt.
  ResourceExhausted,   ///< Disk, memory or a queue is full.
  FailedPrecondition,  ///< Right call, wrong state: port in use, other configuration in a resume.
  Unavailable,         ///< Not now: draining, not ready.
  DeadlineExceeded,    ///< The time limit of the request has passed.
  Cancelled,           ///< The caller gave up, or a signal stopped the work.
  Unimplemented,       ///< Valid input that this build or version cannot handle.
  Internal,            ///< A bug of ours.
};

/// Names a code as users see it, e.g. "invalid argument".
std::string_view error_code_name(ErrorCode code) noexcept;

/// Carries a code and one clear sentence.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Throws Error with the parts streamed one after the other: fixed text, then values.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(code, text.str());
}

/// Holds a value, or the failure that took its place.
template <typename T>
class Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit on purpose, `return value;`
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit on purpose, `return error;`
  bool ok() const noexcept { return std::holds_alternative<T>(state_); }
  const T& value() const& {
    if (!ok()) throw error();  // NOLINT(misc-throw-by-value-catch-by-reference): a copy is meant
    return std::get<T>(state_);
  }
  T&& value() && {
    if (!ok()) throw error();  // NOLINT(misc-throw-by-value-catch-by-reference): a copy is meant
    return std::get<T>(std::move(state_));
  }
  const Error& error() const { return std::get<Error>(state_); }

 private:
  std::variant<T, Error> state_;
};

namespace detail {
[[noreturn]] void dcheck_failed(const char* condition, const char* file, int line) noexcept;
}  // namespace detail

}  // namespace jetcal

/// Checks a programmer's promise in debug builds; prints the condition and aborts.
#ifdef NDEBUG
#define JETCAL_DCHECK(condition) static_cast<void>(0)
#else
#define JETCAL_DCHECK(condition)      \
  ((condition) ? static_cast<void>(0) \
               : ::jetcal::detail::dcheck_failed(#condition, __FILE__, __LINE__))
#endif
