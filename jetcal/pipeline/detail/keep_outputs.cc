// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/detail/keep_outputs.h"

#include "jetcal/base/files.h"
#include "jetcal/pipeline/detail/json_field.h"

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;
constexpr const char* kNote = "finished.json";

Json read_output_value(const Step& step, const OutputPort& port, const fs::path& file) {
  if (!fs::exists(file))
    fail(ErrorCode::NotFound, "the command ended without the output '", port.name,
         "': there is no ", file.string());
  std::string text = read_file(file);
  Json value;
  if (!port.field.empty()) {
    const Json document = Json::parse(text, nullptr, false);
    const Json* found = document.is_discarded() ? nullptr : find_field(document, port.field);
    if (found == nullptr)
      fail(ErrorCode::NotFound, "the output '", port.name, "' of the step '", step.name,
           "' is not there: ", port.from_stdout ? "what the command printed" : file.string(),
           document.is_discarded() ? " is no JSON" : " has no field '" + port.field + "'");
    value = *found;
  } else {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    value = text;
    if (port.type != Type::String) {
      const Json parsed = Json::parse(text, nullptr, false);
      Node scalar;
      scalar.kind = Node::Kind::Scalar;
      scalar.text = text;
      value = parsed.is_structured() ? parsed : to_json(scalar);
    }
  }
  if (port.type == Type::Integer && value.is_number_float() &&
      value.get<double>() == static_cast<double>(static_cast<std::int64_t>(value.get<double>())))
    value = static_cast<std::int64_t>(value.get<double>());
  if (!holds(port.type, value)) {
    const std::string shown = value.dump().substr(0, 80);
    fail(ErrorCode::InvalidArgument, "the output '", port.name, "' of the step '", step.name,
         "' is of type ", type_name(port.type), ", but the command gave ", shown);
  }
  return value;
}

// Where an artefact lies in the work folder; a field of what was printed may name its folder.
fs::path artifact_path(const Step& step, const OutputPort& port, const fs::path& work) {
  if (port.field.empty()) return work / port.path;
  OutputPort folder = port;
  folder.type = Type::String;
  const std::string named =
      read_output_value(step, folder, work / kStandardOutput).get<std::string>();
  fs::path path = (work / named / port.path).lexically_normal();
  const fs::path within = path.lexically_relative(work.lexically_normal());
  if (within.empty() || *within.begin() == "..")
    fail(ErrorCode::InvalidArgument, "the output '", port.name, "' of the step '", step.name,
         "' is ", path.string(), ", which is not in its work folder");
  return path;
}

}  // namespace

Json to_json(const Output& output);

void note_outputs(const Store& store, const Step& step, StepRecord record) {
  const fs::path work = store.work_folder(record.key);
  // First what is read of the command's output: an artefact may be that output, which moves.
  Json paths = Json::object();
  for (const OutputPort& port : step.outputs) {
    if (is_artifact(port.type)) {
      paths[port.name] = artifact_path(step, port, work).lexically_relative(work).string();
      continue;
    }
    Output& output = record.outputs[port.name];
    output.type = port.type;
    output.value =
        read_output_value(step, port, work / (port.from_stdout ? kStandardOutput : port.path));
    output.sha256 = sha256(output.value.dump());
  }
  for (const OutputPort& port : step.outputs) {
    if (!is_artifact(port.type)) continue;
    const fs::path path = work / paths[port.name].get<std::string>();
    if (port.from_stdout && port.field.empty()) fs::rename(work / kStandardOutput, path);
    if (!fs::exists(path))
      fail(ErrorCode::NotFound, "the command ended without the output '", port.name,
           "': there is no ", path.string());
    make_read_only(path);
    Output& output = record.outputs[port.name];
    output.type = port.type;
    output.file = path.filename().string();
    output.content = hash_content(path, nullptr, /*sync=*/true);
    output.sha256 = output.content.sha256;
  }
  record.finished = time_now();
  write_durably(work / kNote, Json{{"record", to_json(record)}, {"paths", paths}}.dump());
}

bool keep_noted(Store& store, const std::string& key) {
  const fs::path work = store.work_folder(key);
  if (!fs::exists(work / kNote)) return false;
  const Json note = Json::parse(read_file(work / kNote), nullptr, false);
  if (note.is_discarded()) return false;
  const StepRecord record = record_from_json(note.at("record"));
  for (const auto& [name, output] : record.outputs) {
    if (is_artifact(output.type))
      store.take_in(work / note.at("paths").at(name).get<std::string>(), output);
  }
  store.finish(record);
  std::error_code ignored;
  fs::remove_all(work, ignored);
  return true;
}

bool is_kept(Store& store, const std::string& key) {
  return store.find(key) || (keep_noted(store, key) && store.find(key));
}

}  // namespace jetcal::pipeline
