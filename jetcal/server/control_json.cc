// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/control_json.h"

#include <array>
#include <limits>

#include "jetcal/base/error.h"

namespace jetcal::server {
namespace {

using nlohmann::ordered_json;

ordered_json parse_object(std::string_view body) {
  ordered_json document = ordered_json::parse(body, nullptr, false);
  if (document.is_discarded())
    fail(ErrorCode::InvalidArgument, "failed to parse the request JSON buffer: ",
         body.empty() ? "The document is empty." : "it is malformed");
  if (!document.is_object())
    fail(ErrorCode::InvalidArgument, "attempt to access JSON non-object as object");
  return document;
}

[[noreturn]] void wrong_kind(const std::string& key, const char* kind) {
  fail(ErrorCode::InvalidArgument, "attempt to access JSON non-", kind, " as ", kind, " (field '",
       key, "')");
}

std::uint64_t whole_number(const std::string& key, const ordered_json& value) {
  if (!value.is_number_unsigned()) wrong_kind(key, "unsigned-integer");
  return value.get<std::uint64_t>();
}

std::string text(const std::string& key, const ordered_json& value) {
  if (!value.is_string()) wrong_kind(key, "string");
  return value.get<std::string>();
}

std::string decode_base64(const std::string& key, const std::string& coded) {
  std::array<int, 256> values{};
  values.fill(-1);
  int next = 0;
  for (const char c :
       std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
    values[static_cast<unsigned char>(c)] = next++;
  std::string out;
  out.reserve(coded.size() / 4 * 3);
  unsigned bits = 0;
  int have = 0;
  for (const char c : coded) {
    if (c == '=' || c == '\n' || c == '\r') continue;
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0)
      fail(ErrorCode::InvalidArgument, "the parameter '", key, "' of a load request is not base64");
    bits = bits << 6U | static_cast<unsigned>(value);
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> static_cast<unsigned>(have));
  }
  return out;
}

}  // namespace

LogSettings::Change log_change_of(std::string_view body) {
  LogSettings::Change change;
  const ordered_json document = parse_object(body);
  for (const auto& [key, value] : document.items()) {
    const auto flag = [&key = key, &value = value] {
      if (!value.is_boolean()) wrong_kind(key, "boolean");
      return value.get<bool>();
    };
    if (key == "log_info") change.info = flag();
    if (key == "log_warning") change.warning = flag();
    if (key == "log_error") change.error = flag();
    if (key == "log_format") change.format = text(key, value);
    if (key == "log_file") change.file = text(key, value);
    if (key != "log_verbose_level") continue;
    const std::uint64_t level = whole_number(key, value);
    if (level > std::numeric_limits<std::uint32_t>::max()) wrong_kind(key, "unsigned-integer");
    change.verbose_level = static_cast<std::uint32_t>(level);
  }
  return change;
}

ordered_json log_json(const LogSettings::Values& values) {
  return {{"log_file", values.file},
          {"log_info", values.info},
          {"log_warning", values.warning},
          {"log_error", values.error},
          {"log_verbose_level", values.verbose_level},
          {"log_format", values.format}};
}

TraceSettings::Values trace_change_of(std::string_view body) {
  TraceSettings::Values change;
  const ordered_json document = parse_object(body);
  for (const auto& [key, value] : document.items()) {
    std::vector<std::string>& values = change[key];
    if (value.is_null()) continue;  // back to the setting of the server
    if (value.is_array()) {
      for (const ordered_json& entry : value) values.push_back(text(key, entry));
    } else {
      values.push_back(text(key, value));
    }
  }
  return change;
}

ordered_json trace_json(const TraceSettings::Values& values) {
  ordered_json out = ordered_json::object();
  for (const auto& [key, entries] : values) {
    if (key == "trace_level") {
      out[key] = entries;
    } else {
      out[key] = entries.empty() ? "" : entries.front();
    }
  }
  return out;
}

SharedMemoryRegions::Region memory_region_of(const std::string& name, std::string_view body) {
  const ordered_json document = parse_object(body);
  for (const char* field : {"key", "byte_size"}) {
    if (!document.contains(field))
      fail(ErrorCode::InvalidArgument, "Shared memory register request has no '", field, "' field");
  }
  SharedMemoryRegions::Region region;
  region.name = name;
  region.key = text("key", document["key"]);
  region.byte_size = whole_number("byte_size", document["byte_size"]);
  if (document.contains("offset")) region.offset = whole_number("offset", document["offset"]);
  return region;
}

ordered_json memory_json(std::span<const SharedMemoryRegions::Region> regions) {
  ordered_json list = ordered_json::array();
  for (const SharedMemoryRegions::Region& region : regions)
    list.push_back({{"name", region.name},
                    {"key", region.key},
                    {"offset", region.offset},
                    {"byte_size", region.byte_size}});
  return list;
}

engine::LoadOverride load_override_of(std::string_view body) {
  engine::LoadOverride override;
  if (body.empty()) return override;
  const ordered_json document = parse_object(body);
  if (!document.contains("parameters")) return override;
  if (!document["parameters"].is_object()) wrong_kind("parameters", "object");
  for (const auto& [key, value] : document["parameters"].items()) {
    if (key == "config") {
      override.config = text(key, value);
    } else if (key.starts_with("file:")) {
      override.files[key.substr(5)] = decode_base64(key, text(key, value));
    } else if (key != "unload_dependents") {
      fail(ErrorCode::InvalidArgument, "unrecognized load parameter '", key, "'.");
    }
  }
  return override;
}

}  // namespace jetcal::server
