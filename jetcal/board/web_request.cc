// SPDX-License-Identifier: Apache-2.0
#include "jetcal/board/web_request.h"

#include <arpa/inet.h>

#include <algorithm>

namespace jetcal::board {
namespace {

std::string lower(std::string_view text) {
  std::string small(text);
  for (char& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return small;
}

// "name:8080" and "[::1]:8080" without their port.
std::string without_port(const std::string& host) {
  if (host.starts_with("[")) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_address(const std::string& host) {
  in6_addr address{};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    return ::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1;
}

std::string query_decode(std::string text) {
  std::replace(text.begin(), text.end(), '+', ' ');
  return server::percent_decode(text);
}

}  // namespace

std::string Target::value(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

Target parse_target(const server::HttpHead& head) {
  Target target;
  std::string_view path = head.path();
  while (path.starts_with("/")) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (!part.empty() || !path.empty()) target.path.push_back(server::percent_decode(part));
  }
  const std::size_t mark = head.target.find('?');
  std::string_view query =
      mark == std::string::npos ? "" : std::string_view(head.target).substr(mark + 1);
  while (!query.empty()) {
    const std::string_view field = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), field.size() + 1));
    const std::size_t equal = field.find('=');
    const std::string name = query_decode(std::string(field.substr(0, equal)));
    target.query[name] =
        equal == std::string_view::npos ? "" : query_decode(std::string(field.substr(equal + 1)));
  }
  return target;
}

bool host_is_ours(const server::HttpHead& head, const std::vector<std::string>& names) {
  const std::string* header = head.find("host");
  if (header == nullptr) return false;
  const std::string host = lower(without_port(*header));
  if (host == "localhost" || is_address(host)) return true;
  return std::any_of(names.begin(), names.end(),
                     [&host](const std::string& name) { return lower(name) == host; });
}

bool comes_from_board(const server::HttpHead& head) {
  const std::string* mark = head.find("x-jetcal-board");
  const std::string* site = head.find("sec-fetch-site");
  const std::string* origin = head.find("origin");
  const std::string* host = head.find("host");
  if (mark == nullptr || host == nullptr) return false;
  if (site != nullptr && *site != "same-origin") return false;
  return origin == nullptr || lower(*origin) == "http://" + lower(*host) ||
         lower(*origin) == "https://" + lower(*host);
}

}  // namespace jetcal::board
