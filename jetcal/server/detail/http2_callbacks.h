// SPDX-License-Identifier: Apache-2.0
// What nghttp2 calls when frames arrive or go out.
#pragma once

#include "jetcal/server/detail/http2_connection.h"

namespace jetcal::server::detail {

/// Static functions for a table of C callbacks; `user` is the connection. No exception leaves them.
struct Http2Connection::Callbacks {
  /// Throws ResourceExhausted when there is no memory.
  static nghttp2_session* make_session(Http2Connection& connection);

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session* session, const nghttp2_frame* frame,
                       const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                       std::size_t value_size, std::uint8_t flags, void* user);
  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session* session, std::uint8_t flags, std::int32_t id,
                     const std::uint8_t* data, std::size_t size, void* user);
  static int on_close(nghttp2_session* session, std::int32_t id, std::uint32_t error, void* user);
  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user);
  static ssize_t read_output(nghttp2_session* session, std::int32_t id, std::uint8_t* out,
                             std::size_t room, std::uint32_t* flags, nghttp2_data_source* source,
                             void* user);
};

}  // namespace jetcal::server::detail
