// SPDX-License-Identifier: Apache-2.0
#include "jetcal/engine/detail/config_schema.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "jetcal/base/encoding.h"
#include "jetcal/base/error.h"
#include "jetcal/base/number.h"

namespace jetcal::engine::detail {
namespace {

using nlohmann::ordered_json;

enum class Kind {
  Text,
  Integer,
  Flag,
  Name,         // of an enumeration
  Message,      // of the type `of`
  Any,          // a message that jetcal passes on without reading it
  Unsupported,  // changes what a model computes, and jetcal cannot do it
};
enum class Count { One, Many, Map };

struct Rule {
  std::string_view message, field;
  Kind kind;
  Count count = Count::One;
  std::string_view of = {};
};

constexpr std::array kRules{
    Rule{"ModelConfig", "name", Kind::Text},
    Rule{"ModelConfig", "platform", Kind::Text},
    Rule{"ModelConfig", "backend", Kind::Text},
    Rule{"ModelConfig", "runtime", Kind::Text},
    Rule{"ModelConfig", "version_policy", Kind::Message, Count::One, "VersionPolicy"},
    Rule{"ModelConfig", "max_batch_size", Kind::Integer},
    Rule{"ModelConfig", "input", Kind::Message, Count::Many, "Input"},
    Rule{"ModelConfig", "output", Kind::Message, Count::Many, "Output"},
    Rule{"ModelConfig", "batch_input", Kind::Message, Count::Many, "BatchInput"},
    Rule{"ModelConfig", "batch_output", Kind::Message, Count::Many, "BatchOutput"},
    Rule{"ModelConfig", "optimization", Kind::Message, Count::One, "Optimization"},
    Rule{"ModelConfig", "dynamic_batching", Kind::Message, Count::One, "DynamicBatching"},
    Rule{"ModelConfig", "sequence_batching", Kind::Unsupported},
    Rule{"ModelConfig", "ensemble_scheduling", Kind::Unsupported},
    Rule{"ModelConfig", "instance_group", Kind::Message, Count::Many, "InstanceGroup"},
    Rule{"ModelConfig", "default_model_filename", Kind::Text},
    Rule{"ModelConfig", "cc_model_filenames", Kind::Text, Count::Map},
    Rule{"ModelConfig", "metric_tags", Kind::Text, Count::Map},
    Rule{"ModelConfig", "parameters", Kind::Message, Count::Map, "Parameter"},
    Rule{"ModelConfig", "model_warmup", Kind::Message, Count::Many, "Warmup"},
    Rule{"ModelConfig", "model_operations", Kind::Unsupported},
    Rule{"ModelConfig", "model_transaction_policy", Kind::Message, Count::One, "Transaction"},
    Rule{"ModelConfig", "model_repository_agents", Kind::Unsupported},
    Rule{"ModelConfig", "response_cache", Kind::Message, Count::One, "ResponseCache"},
    Rule{"ModelConfig", "model_metrics", Kind::Any},
    Rule{"VersionPolicy", "latest", Kind::Message, Count::One, "Latest"},
    Rule{"VersionPolicy", "all", Kind::Message, Count::One, "Empty"},
    Rule{"VersionPolicy", "specific", Kind::Message, Count::One, "Specific"},
    Rule{"Latest", "num_versions", Kind::Integer},
    Rule{"Specific", "versions", Kind::Integer, Count::Many},
    Rule{"Input", "name", Kind::Text},
    Rule{"Input", "data_type", Kind::Name},
    Rule{"Input", "format", Kind::Name},
    Rule{"Input", "dims", Kind::Integer, Count::Many},
    Rule{"Input", "reshape", Kind::Unsupported},
    Rule{"Input", "is_shape_tensor", Kind::Flag},
    Rule{"Input", "is_non_linear_format_io", Kind::Flag},
    Rule{"Input", "allow_ragged_batch", Kind::Flag},
    Rule{"Input", "optional", Kind::Flag},
    Rule{"Output", "name", Kind::Text},
    Rule{"Output", "data_type", Kind::Name},
    Rule{"Output", "dims", Kind::Integer, Count::Many},
    Rule{"Output", "reshape", Kind::Unsupported},
    Rule{"Output", "label_filename", Kind::Text},
    Rule{"Output", "is_shape_tensor", Kind::Flag},
    Rule{"Output", "is_non_linear_format_io", Kind::Flag},
    Rule{"BatchInput", "kind", Kind::Name},
    Rule{"BatchInput", "target_name", Kind::Text, Count::Many},
    Rule{"BatchInput", "data_type", Kind::Name},
    Rule{"BatchInput", "source_input", Kind::Text, Count::Many},
    Rule{"BatchOutput", "kind", Kind::Name},
    Rule{"BatchOutput", "target_name", Kind::Text, Count::Many},
    Rule{"BatchOutput", "source_input", Kind::Text, Count::Many},
    Rule{"Optimization", "graph", Kind::Message, Count::One, "Graph"},
    Rule{"Optimization", "priority", Kind::Name},
    Rule{"Optimization", "cuda", Kind::Any},
    Rule{"Optimization", "execution_accelerators", Kind::Any},
    Rule{"Optimization", "input_pinned_memory", Kind::Any},
    Rule{"Optimization", "output_pinned_memory", Kind::Any},
    Rule{"Optimization", "gather_kernel_buffer_threshold", Kind::Integer},
    Rule{"Optimization", "eager_batching", Kind::Flag},
    Rule{"Graph", "level", Kind::Integer},
    Rule{"DynamicBatching", "preferred_batch_size", Kind::Integer, Count::Many},
    Rule{"DynamicBatching", "max_queue_delay_microseconds", Kind::Integer},
    Rule{"DynamicBatching", "preserve_ordering", Kind::Flag},
    Rule{"DynamicBatching", "priority_levels", Kind::Integer},
    Rule{"DynamicBatching", "default_priority_level", Kind::Integer},
    Rule{"DynamicBatching", "default_queue_policy", Kind::Message, Count::One, "QueuePolicy"},
    Rule{"DynamicBatching", "priority_queue_policy", Kind::Message, Count::Map, "QueuePolicy"},
    Rule{"QueuePolicy", "timeout_action", Kind::Name},
    Rule{"QueuePolicy", "default_timeout_microseconds", Kind::Integer},
    Rule{"QueuePolicy", "allow_timeout_override", Kind::Flag},
    Rule{"QueuePolicy", "max_queue_size", Kind::Integer},
    Rule{"InstanceGroup", "name", Kind::Text},
    Rule{"InstanceGroup", "kind", Kind::Name},
    Rule{"InstanceGroup", "count", Kind::Integer},
    Rule{"InstanceGroup", "rate_limiter", Kind::Any},
    Rule{"InstanceGroup", "gpus", Kind::Integer, Count::Many},
    Rule{"InstanceGroup", "secondary_devices", Kind::Any, Count::Many},
    Rule{"InstanceGroup", "profile", Kind::Text, Count::Many},
    Rule{"InstanceGroup", "passive", Kind::Flag},
    Rule{"InstanceGroup", "host_policy", Kind::Text},
    Rule{"InstanceGroup", "profile", Kind::Text, Count::Many},
    Rule{"InstanceGroup", "passive", Kind::Flag},
    Rule{"Warmup", "name", Kind::Text},
    Rule{"Warmup", "batch_size", Kind::Integer},
    Rule{"Warmup", "count", Kind::Integer},
    Rule{"Warmup", "inputs", Kind::Message, Count::Map, "WarmupInput"},
    Rule{"WarmupInput", "data_type", Kind::Name},
    Rule{"WarmupInput", "dims", Kind::Integer, Count::Many},
    Rule{"WarmupInput", "zero_data", Kind::Flag},
    Rule{"WarmupInput", "random_data", Kind::Flag},
    Rule{"WarmupInput", "input_data_file", Kind::Text},
    Rule{"Parameter", "string_value", Kind::Text},
    Rule{"Transaction", "decoupled", Kind::Flag},
    Rule{"ResponseCache", "enable", Kind::Flag},
};

class Translator {
 public:
  explicit Translator(const std::string& source) : source_(source) {}

  ordered_json message(const TextMessage& text, std::string_view type) const {
    ordered_json out = ordered_json::object();
    for (const TextField& field : text.fields) {
      const Rule& rule = find(type, field);
      if (rule.count == Count::Map) {
        map_entry(field, rule, out[field.name]);
      } else if (rule.count == Count::Many) {
        out[field.name].push_back(value(field, rule));
      } else if (out.contains(field.name)) {
        wrong(field, "is there twice");
      } else {
        out[field.name] = value(field, rule);
      }
    }
    return out;
  }

 private:
  [[noreturn]] void wrong(const TextField& field, std::string_view what,
                          ErrorCode code = ErrorCode::InvalidArgument) const {
    fail(code, source_, ", line ", field.line, ": the field '", field.name, "' ", what);
  }

  const Rule& find(std::string_view type, const TextField& field) const {
    const auto* rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) {
      return r.message == type && r.field == field.name;
    });
    if (rule == kRules.end()) wrong(field, "is unknown");
    if (rule->kind == Kind::Unsupported)
      wrong(field, "asks for what jetcal cannot do", ErrorCode::Unimplemented);
    return *rule;
  }

  void map_entry(const TextField& field, const Rule& rule, ordered_json& out) const {
    const auto* entry = std::get_if<TextMessage>(&field.value);
    if (entry == nullptr) wrong(field, "wants { key: ... value: ... }");
    const TextField* key = nullptr;
    const TextField* mapped = nullptr;
    for (const TextField& part : entry->fields) {
      if (part.name == "key") {
        key = &part;
      } else if (part.name == "value") {
        mapped = &part;
      } else {
        wrong(part, "is unknown");
      }
    }
    if (key == nullptr || mapped == nullptr || !std::holds_alternative<TextScalar>(key->value))
      wrong(field, "wants { key: ... value: ... }");
    out[text_of(*key, std::get<TextScalar>(key->value))] = value(*mapped, rule);
  }

  // protobuf wants every string in UTF-8; JSON cannot hold another.
  const std::string& text_of(const TextField& field, const TextScalar& scalar) const {
    if (!is_utf8(scalar.text)) wrong(field, "is no UTF-8");
    return scalar.text;
  }

  ordered_json value(const TextField& field, const Rule& rule) const {
    if (rule.kind == Kind::Any) return any(field);
    const auto* nested = std::get_if<TextMessage>(&field.value);
    if (rule.kind == Kind::Message) {
      if (nested == nullptr) wrong(field, "wants { ... }");
      return message(*nested, rule.of);
    }
    if (nested != nullptr) wrong(field, "wants one value, not { ... }");
    const TextScalar& scalar = std::get<TextScalar>(field.value);
    switch (rule.kind) {
      case Kind::Text:
        if (!scalar.quoted) wrong(field, "wants a string in quotes");
        return text_of(field, scalar);
      case Kind::Integer:
        if (const auto number = integer(scalar)) return *number;
        wrong(field, "wants a whole number");
      case Kind::Flag:
        if (!scalar.quoted && (scalar.text == "true" || scalar.text == "1")) return true;
        if (!scalar.quoted && (scalar.text == "false" || scalar.text == "0")) return false;
        wrong(field, "wants true or false");
      default:
        if (scalar.quoted) wrong(field, "wants a name without quotes");
        return scalar.text;
    }
  }

  static std::optional<std::int64_t> integer(const TextScalar& scalar) {
    if (scalar.quoted) return std::nullopt;
    return parse_number<std::int64_t>(scalar.text);
  }

  // Without a schema: numbers stay numbers, the rest is text; a field that comes again is a list.
  ordered_json any(const TextField& field) const {
    if (const auto* scalar = std::get_if<TextScalar>(&field.value)) {
      if (const auto number = integer(*scalar)) return *number;
      if (!scalar->quoted && scalar->text == "true") return true;
      if (!scalar->quoted && scalar->text == "false") return false;
      return text_of(field, *scalar);
    }
    ordered_json out = ordered_json::object();
    for (const TextField& part : std::get<TextMessage>(field.value).fields) {
      if (!out.contains(part.name)) {
        out[part.name] = any(part);
        continue;
      }
      ordered_json& there = out[part.name];
      if (!there.is_array()) there = ordered_json::array({there});
      there.push_back(any(part));
    }
    return out;
  }

  const std::string& source_;
};

class JsonChecker {
 public:
  explicit JsonChecker(const std::string& source) : source_(source) {}

  ordered_json message(const ordered_json& given, std::string_view type) const {
    if (!given.is_object()) wrong(type, "is not an object");
    ordered_json out = ordered_json::object();
    for (const auto& field : given.items()) {
      const std::string& name = field.key();
      const ordered_json& value = field.value();
      const auto* const rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) {
        return r.message == type && r.field == name;
      });
      if (value.is_null()) continue;
      if (rule == kRules.end()) wrong(name, "is unknown");
      const bool empty = (value.is_array() || value.is_object()) && value.empty();
      if (rule->kind == Kind::Unsupported && empty) continue;
      if (rule->kind == Kind::Unsupported)
        wrong(name, "asks for what jetcal cannot do", ErrorCode::Unimplemented);
      out[name] = counted(value, *rule);
    }
    return out;
  }

 private:
  [[noreturn]] void wrong(std::string_view field, std::string_view what,
                          ErrorCode code = ErrorCode::InvalidArgument) const {
    fail(code, source_, ": the field '", field, "' ", what);
  }

  ordered_json counted(const ordered_json& value, const Rule& rule) const {
    if (rule.count == Count::One) return one(value, rule);
    const bool map = rule.count == Count::Map;
    if (map ? !value.is_object() : !value.is_array())
      wrong(rule.field, map ? "wants an object" : "wants an array");
    ordered_json out = map ? ordered_json::object() : ordered_json::array();
    for (const auto& [key, entry] : value.items()) {
      if (map) {
        out[key] = one(entry, rule);
      } else {
        out.push_back(one(entry, rule));
      }
    }
    return out;
  }

  ordered_json one(const ordered_json& value, const Rule& rule) const {
    switch (rule.kind) {
      case Kind::Message:
        return message(value, rule.of);
      case Kind::Text:
      case Kind::Name:
        if (!value.is_string()) wrong(rule.field, "wants a string");
        return value;
      case Kind::Flag:
        if (!value.is_boolean()) wrong(rule.field, "wants true or false");
        return value;
      case Kind::Integer: {
        if (value.is_number_integer()) return value;
        const std::string text = value.is_string() ? value.get<std::string>() : "";
        const std::optional<std::int64_t> number = parse_number<std::int64_t>(text);
        if (!number) wrong(rule.field, "wants a whole number");
        return *number;
      }
      default:
        return value;
    }
  }

  const std::string& source_;
};

}  // namespace

ordered_json check_config_json(const ordered_json& document, const std::string& source) {
  return JsonChecker(source).message(document, "ModelConfig");
}

ordered_json config_to_json(const TextMessage& message, const std::string& source) {
  return Translator(source).message(message, "ModelConfig");
}

}  // namespace jetcal::engine::detail
