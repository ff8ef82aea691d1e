// SPDX-License-Identifier: Apache-2.0
#include "jetcal/pipeline/container_step.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "jetcal/base/files.h"
#include "jetcal/pipeline/detail/container_command.h"
#include "jetcal/pipeline/detail/json_field.h"
#include "jetcal/pipeline/warden.h"

extern char** environ;

namespace jetcal::pipeline {
namespace {

namespace fs = std::filesystem;
constexpr const char* kPrinted = "stdout.txt";

fs::path file_of(const ContainerStep& step, const MovedOutput& output) {
  return step.work / (output.from == "-" ? std::string(kPrinted) : output.from);
}

void move_output(const ContainerStep& step, const MovedOutput& output) {
  fs::path from = file_of(step, output);
  if (!fs::exists(from))
    fail(ErrorCode::NotFound, "the command ended without its output ", from.string());
  std::string value;
  if (!output.field.empty()) {
    const Json document = Json::parse(read_file(from), nullptr, false);
    const Json* found = document.is_discarded() ? nullptr : find_field(document, output.field);
    if (found == nullptr)
      fail(ErrorCode::NotFound, "the command's output has no field '", output.field, "'");
    value = found->is_string() ? found->get<std::string>() : found->dump();
    from = step.work / value / output.path;
  }
  fs::create_directories(output.to.parent_path());
  if (!output.field.empty() && output.path.empty()) {
    write_file(output.to, value);
    return;
  }
  fs::remove_all(output.to);
  // The cluster's folder may be another file system, so it is a copy.
  fs::copy(from, output.to, fs::copy_options::recursive);
}

// Waits for the attempt's document; passes a stop on.
Json wait_for(Warden& warden, const std::function<bool()>& should_stop) {
  bool told = false;
  char block[4096];
  while (true) {
    pollfd poll{warden.pipe, POLLIN, 0};
    ::poll(&poll, 1, 100);
    if (should_stop() && !told) {
      told = true;
      ::kill(warden.process, SIGTERM);
    }
    if (poll.revents == 0) continue;
    const ssize_t got = ::read(warden.pipe, block, sizeof block);
    if (got <= 0) break;
    warden.received.append(block, static_cast<std::size_t>(got));
  }
  ::close(warden.pipe);
  ::waitpid(warden.process, nullptr, 0);
  return Json::parse(warden.received, nullptr, false);
}

// Where Kubeflow Pipelines' launcher brings an artefact to.
fs::path launched_path(const Json& artifact) {
  if (const Json& custom = field_at(artifact, "customPath"); custom.is_string())
    return custom.get<std::string>();
  const std::string uri = text_of(field_at(artifact, "uri"));
  for (const auto& [scheme, folder] :
       {std::pair{"s3://", "s3"}, {"minio://", "minio"}, {"gs://", "gcs"}}) {
    if (!uri.starts_with(scheme)) continue;
    const bool shared = field_at(artifact, "metadata._kfp_workspace") == Json(true);
    return fs::path(shared ? "/kfp-workspace/.artifacts" : "/") / folder /
           uri.substr(std::string_view(scheme).size());
  }
  fail(ErrorCode::InvalidArgument, "the artefact ", artifact.dump(), " lies where none is brought");
}

void check_gathered(const ContainerStep& step) {
  for (const GatheredInput& input : step.gathered) {
    for (const fs::path& path : input.paths) {
      if (!fs::exists(path))
        fail(ErrorCode::NotFound, "the cluster did not bring ", path.string(),
             ", which the input '", input.name, "' gathers");
    }
  }
}

// Puts paths where a text names what is gathered.
std::string with_paths(std::string text, const std::vector<GatheredInput>& gathered) {
  for (const GatheredInput& input : gathered) {
    std::string joined;
    for (const fs::path& path : input.paths) joined += (joined.empty() ? "" : ",") + path.string();
    const std::string word = gathered_word(input.name);
    for (std::size_t at = text.find(word); at != std::string::npos;
         at = text.find(word, at + joined.size()))
      text.replace(at, word.size(), joined);
  }
  return text;
}

std::vector<std::string> with_paths(const std::vector<std::string>& words,
                                    const std::vector<GatheredInput>& gathered) {
  std::vector<std::string> line;
  for (const std::string& word : words) {
    const auto whole = std::find_if(gathered.begin(), gathered.end(), [&](const auto& input) {
      return word == gathered_word(input.name);
    });
    if (whole == gathered.end()) {
      line.push_back(with_paths(word, gathered));
      continue;
    }
    for (const fs::path& path : whole->paths) line.push_back(path.string());
  }
  return line;
}

}  // namespace

GatheredInput parse_gathered(const std::string& text, const fs::path& folder) {
  const std::size_t equals = text.find('=');
  const Json list = equals == std::string::npos
                        ? Json()
                        : Json::parse(text.substr(equals + 1), nullptr, /*allow_exceptions=*/false);
  if (equals == 0 || (!list.is_array() && !list.is_object()))
    fail(ErrorCode::InvalidArgument, "--gathered takes NAME=JSON, a list or an object, got '", text,
         "'");
  GatheredInput input;
  input.name = text.substr(0, equals);
  if (list.is_object()) {
    const Json& artifacts = field_at(list, "inputs.artifacts." + input.name + ".artifacts");
    for (const Json& one : artifacts) input.paths.push_back(launched_path(one));
    return input;
  }
  for (const Json& one : list) {
    const Json& name = one.is_object() ? field_at(one, kContainerPod) : one;
    if (!name.is_string())
      fail(ErrorCode::InvalidArgument, "--gathered ", input.name, " has the entry ", one.dump(),
           ", which names no artefact");
    input.paths.push_back(folder / input.name / name.get<std::string>());
  }
  return input;
}

MovedOutput parse_moved_output(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
    fail(ErrorCode::InvalidArgument, "--output takes FROM[#FIELD[/PATH]]=TO, got '", text, "'");
  MovedOutput output;
  output.from = text.substr(0, equals);
  output.to = text.substr(equals + 1);
  const std::size_t hash = output.from.find('#');
  if (hash == std::string::npos) return output;
  output.field = output.from.substr(hash + 1);
  output.from.resize(hash);
  const std::size_t slash = output.field.find('/');
  if (slash == std::string::npos) return output;
  output.path = output.field.substr(slash + 1);
  output.field.resize(slash);
  return output;
}

int run_container_step(const ContainerStep& step, const FindProgram& find_program,
                       const std::function<bool()>& should_stop) {
  check_gathered(step);
  fs::create_directories(step.work / "out");
  for (const auto& [name, text] : step.files)
    write_file(step.work / name, with_paths(text, step.gathered));
  Attempt attempt;
  attempt.command = with_paths(step.command, step.gathered);
  if (attempt.command.empty()) fail(ErrorCode::InvalidArgument, "there is no command to run");
  attempt.command[0] = find_program(attempt.command).path;
  for (char** entry = environ; *entry != nullptr; ++entry)
    attempt.environment.push_back(with_paths(std::string(*entry), step.gathered));
  attempt.folder = step.work;
  attempt.log = "/dev/stderr";
  const bool prints = std::any_of(step.outputs.begin(), step.outputs.end(),
                                  [](const MovedOutput& output) { return output.from == "-"; });
  if (prints) attempt.standard_output = step.work / kPrinted;
  attempt.lock = step.work / ".lock";
  if (!step.service.empty()) {
    attempt.service = with_paths(step.service, step.gathered);
    if (attempt.service.empty()) fail(ErrorCode::InvalidArgument, "there is no service to run");
    attempt.service[0] = find_program(attempt.service).path;
    attempt.service_log = "/dev/stderr";
    attempt.ready_path = step.ready;
    attempt.port = step.port;
  }
  attempt.is_done = [] { return false; };
  attempt.keep = [&step] {
    for (const MovedOutput& output : step.outputs) move_output(step, output);
  };
  Warden warden = start_attempt(attempt);
  const Json result = wait_for(warden, should_stop);
  if (prints && fs::exists(step.work / kPrinted))
    std::fputs(read_file(step.work / kPrinted).c_str(), stdout);
  const std::string state = result.is_object() ? result.value("state", "failed") : "failed";
  if (state == "finished") return 0;
  if (state == "cancelled") fail(ErrorCode::Cancelled, "the step was stopped");
  const int status = result.is_object() ? result.value("status", 0) : 0;
  if (status != 0) return status;
  fail(ErrorCode::Internal, result.is_object() ? result.value("message", "the step failed")
                                               : "the process that watched the step was killed");
}

}  // namespace jetcal::pipeline
