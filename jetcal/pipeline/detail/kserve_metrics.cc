// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/kserve_metrics.h"

#include <sstream>

#include "jetcal/base/error.h"
#include "jetcal/pipeline/detail/json_field.h"
#include "jetcal/pipeline/pipeline_file.h"

namespace jetcal::pipeline {
namespace {

constexpr std::int64_t kLeastMemory = 1 << 20;

class MetricRules {
 public:
  MetricRules(std::string path, bool keda) : path_(std::move(path)), keda_(keda) {}

  std::vector<std::string> run(const Json& metrics) {
    for (const Json& metric : metrics) {
      const std::string type = text_of(field_at(metric, "type"));
      if (type == "Resource") {
        if (!given(metric, type, "resource")) continue;
        if (keda_) resource(field_at(metric, "resource"));
      } else if (keda_ && type == "External") {
        if (given(metric, type, "external")) query("external", field_at(metric, "external"));
      } else if (keda_ && type == "PodMetric") {
        if (given(metric, type, "podmetric")) query("podmetric", field_at(metric, "podmetric"));
      } else {
        say(".type must be ", keda_ ? "one of External, PodMetric, Resource" : "Resource",
            " for the autoscaler ", keda_ ? "keda" : "hpa", ", got ", type);
      }
    }
    return mistakes_;
  }

 private:
  template <typename... Parts>
  void say(const Parts&... parts) {
    std::ostringstream text;
    text << path_;
    (text << ... << parts);
    mistakes_.push_back(text.str());
  }

  bool given(const Json& metric, const std::string& type, const char* field) {
    if (field_at(metric, field).is_object()) return true;
    say(".", field, " must be there for the type ", type);
    return false;
  }

  void resource(const Json& resource) {
    const std::string name = text_of(field_at(resource, "name"));
    const Json& target = field_at(resource, "target");
    const std::string type = text_of(field_at(target, "type"));
    if (name == "cpu") {
      if (type != "Utilization")
        say(".resource.target.type of cpu must be Utilization, got ", type);
    } else if (name == "memory") {
      if (type != "Utilization" && type != "AverageValue")
        say(".resource.target.type of memory must be AverageValue or Utilization, got ", type);
      if (type == "AverageValue") memory(field_at(target, "averageValue"));
    } else {
      say(".resource.name must be cpu or memory, got ", name);
    }
    target_rules("resource", target);
  }

  void memory(const Json& value) {
    if (value.is_null()) return;  // said by the rules of targets
    try {
      if (parse_memory(text_of(value)) >= kLeastMemory) return;
    } catch (const Error&) {
      return;  // the schema's to refuse: it knows more units
    }
    say(".resource.target.averageValue of memory must be at least 1Mi, got ", text_of(value));
  }

  void query(const std::string& field, const Json& source) {
    const Json& text = field_at(source, "metric.query");
    if (!text.is_string() || text.get<std::string>().empty())
      say(".", field, ".metric.query must be there");
    const Json& target = field_at(source, "target");
    if (field_at(target, "value").is_null())
      say(".", field, ".target.value must be there: it is the threshold, whatever the type");
    target_rules(field, target);
  }

  void target_rules(const std::string& field, const Json& target) {
    const std::string type = text_of(field_at(target, "type"));
    const char* const wanted = type == "Utilization"    ? "averageUtilization"
                               : type == "AverageValue" ? "averageValue"
                               : type == "Value"        ? "value"
                                                        : nullptr;
    if (wanted == nullptr) return;
    const Json& value = field_at(target, wanted);
    if (value.is_null() && (type != "Value" || field == "resource"))
      say(".", field, ".target.", wanted, " must be there for the type ", type);
    if (type == "Utilization" && value.is_number() && (value < 1 || value > 100))
      say(".", field, ".target.averageUtilization is a percentage from 1 to 100, got ",
          value.dump());
  }

  const std::string path_;
  const bool keda_;
  std::vector<std::string> mistakes_;
};

}  // namespace

std::vector<std::string> metric_mistakes(const std::string& path, const Json& metrics, bool keda) {
  return MetricRules(path, keda).run(metrics);
}

}  // namespace jetcal::pipeline
