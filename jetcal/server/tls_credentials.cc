// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/tls_credentials.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

// Names in the wire format of RFC 7301, the one we prefer first.
constexpr std::string_view kProtocols{"\x02h2\x08http/1.1"};
constexpr std::string_view kSessionContext{"jetcal"};

std::string reason() {
  const char* const text = ::ERR_reason_error_string(::ERR_peek_last_error());
  ::ERR_clear_error();
  return text == nullptr ? "unknown" : text;
}

[[noreturn]] void refuse(std::string_view what, const std::filesystem::path& file) {
  fail(ErrorCode::InvalidArgument, "cannot use ", file.string(), " as ", what, ": ", reason());
}

// Without a name in common the handshake goes on: the first bytes tell HTTP/2 from HTTP/1.1.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  const int status = ::SSL_select_next_proto(
      &found, size, reinterpret_cast<const unsigned char*>(kProtocols.data()),
      static_cast<unsigned int>(kProtocols.size()), offered, offered_size);
  if (status != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

void trust_clients(SSL_CTX* context, const std::filesystem::path& file) {
  constexpr std::string_view kWhat = "the CA of client certificates";
  if (::SSL_CTX_load_verify_file(context, file.c_str()) != 1) refuse(kWhat, file);
  STACK_OF(X509_NAME)* const names = ::SSL_load_client_CA_file(file.c_str());
  if (names == nullptr) refuse(kWhat, file);
  ::SSL_CTX_set_client_CA_list(context, names);  // takes them
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

std::shared_ptr<SSL_CTX> make_context(const TlsFiles& files) {
  ::ERR_clear_error();
  std::shared_ptr<SSL_CTX> made(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free);
  SSL_CTX* const context = made.get();
  if (context == nullptr) fail(ErrorCode::ResourceExhausted, "no memory for TLS");
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // A client that ends without saying so has gone, as in plain TCP; HTTP's lengths tell what is
  // whole.
  ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_session_id_context(context,
                                   reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                   static_cast<unsigned int>(kSessionContext.size()));
  if (::SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    refuse("the certificate", files.certificate);
  if (::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1)
    refuse("the key of " + files.certificate.string(), files.key);
  if (!files.client_ca.empty()) trust_clients(context, files.client_ca);
  ::SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return made;
}

}  // namespace

TlsCredentials::TlsCredentials(TlsFiles files)
    : files_(std::move(files)), stamps_(stamps()), context_(make_context(files_)) {}

TlsCredentials::~TlsCredentials() = default;

std::array<FileStamp, 3> TlsCredentials::stamps() const noexcept {
  return {FileStamp::of(files_.certificate), FileStamp::of(files_.key),
          FileStamp::of(files_.client_ca)};
}

bool TlsCredentials::reload(bool always) {
  const std::array<FileStamp, 3> seen = stamps();
  if (!always && seen == stamps_) return false;
  stamps_ = seen;
  std::shared_ptr<SSL_CTX> fresh = make_context(files_);
  const std::lock_guard lock(mutex_);
  context_ = std::move(fresh);
  return true;
}

std::shared_ptr<SSL_CTX> TlsCredentials::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace jetcal::server
