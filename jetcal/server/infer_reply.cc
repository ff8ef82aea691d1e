// SPDX-License-Identifier: Apache-2.0
#include "jetcal/server/infer_reply.h"

#include <algorithm>

#include "jetcal/server/detail/json_tensor.h"
#include "jetcal/server/json_text.h"
#include "jetcal/server/output_placement.h"

namespace jetcal::server {

std::int64_t json_elements(const ParsedInfer& parsed, const engine::InferReply& result) {
  std::int64_t count = 0;
  for (const engine::Tensor& output : result.outputs) {
    const OutputPlan plan = parsed.plan_of(output.name);
    if (!plan.binary && plan.region.empty())
      count += static_cast<std::int64_t>(output.data.size()) / 4;
  }
  return count;
}

void apply_classification(const ParsedInfer& parsed, bool batched, engine::InferReply& result) {
  for (const OutputPlan& plan : parsed.outputs) {
    if (plan.classes == 0) continue;
    for (engine::Tensor& output : result.outputs) {
      if (output.name == plan.name) output = classify(output, plan.classes, batched);
    }
  }
}

static void append_field(std::string& out, std::string_view name, std::string_view value) {
  append_json_string(out, name);
  out += ':';
  append_json_string(out, value);
}

static void append_output(std::string& out, const engine::Tensor& output, const OutputPlan& plan) {
  out += '{';
  append_field(out, "name", output.name);
  out += ',';
  append_field(out, "datatype", engine::data_type_name(output.type));
  out += ",\"shape\":" + engine::shape_text(output.shape) + ",";
  if (!plan.region.empty()) {
    place_in_memory(plan, output);
    out += "\"parameters\":{";
    append_field(out, "shared_memory_region", plan.region);
    if (plan.offset > 0) out += ",\"shared_memory_offset\":" + std::to_string(plan.offset);
    out += ",\"shared_memory_byte_size\":" + std::to_string(output.data.size()) + "}";
  } else if (plan.binary) {
    out += "\"parameters\":{\"binary_data_size\":" + std::to_string(output.data.size()) + "}";
  } else {
    detail::append_json_data(out, output);
  }
  out += '}';
}

HttpReply make_infer_reply(const ParsedInfer& parsed, engine::InferReply result) {
  // shared: the reply's tail views these tensors until the last byte is sent
  const auto kept = std::make_shared<const engine::InferReply>(std::move(result));
  HttpReply reply;
  std::string& out = reply.body;
  out += '{';
  if (parsed.has_id) {
    append_field(out, "id", parsed.request.id);
    out += ',';
  }
  append_field(out, "model_name", kept->model);
  out += ',';
  append_field(out, "model_version", kept->version);
  out += ",\"outputs\":[";
  bool any_binary = false;
  for (const engine::Tensor& output : kept->outputs) {
    const OutputPlan plan = parsed.plan_of(output.name);
    if (&output != kept->outputs.data()) out += ',';
    append_output(out, output, plan);
    if (!plan.binary || !plan.region.empty()) continue;
    any_binary = true;
    if (!output.data.empty()) reply.tail.emplace_back(output.data);
  }
  out += "]}";
  if (any_binary) {
    reply.content_type = "application/octet-stream";
    reply.headers.push_back({"Inference-Header-Content-Length", std::to_string(out.size())});
    reply.tail_owner = kept;
  }
  return reply;
}

}  // namespace jetcal::server
