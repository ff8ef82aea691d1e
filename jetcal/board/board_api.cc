// SPDX-License-Identifier: Apache-2.0
// Which answer belongs to which address below /api.

#include "jetcal/base/error.h"
#include "jetcal/base/number.h"
#include "jetcal/board/board.h"
#include "jetcal/board/log_tail.h"
#include "jetcal/board/report_files.h"
#include "jetcal/board/run_view.h"
#include "jetcal/board/training_view.h"
#include "jetcal/board/web_request.h"

namespace jetcal::board {
namespace {

using Path = std::vector<std::string>;

[[noreturn]] void unknown(const Path& path) {
  std::string address;
  for (const std::string& part : path) address += "/" + part;
  fail(ErrorCode::NotFound, "there is nothing at ", address);
}

std::int64_t number_of(const std::string& text, const char* wanted) {
  const auto number = parse_number<std::int64_t>(text);
  if (!number || *number < 0) fail(ErrorCode::InvalidArgument, wanted, ", not '", text, "'");
  return *number;
}

std::optional<std::int64_t> offset_of(const Target& target) {
  const std::string text = target.value("from");
  if (text.empty()) return std::nullopt;
  return number_of(text, "from must be a number of bytes");
}

Json to_json(const LogPiece& piece) {
  return {{"size", piece.size}, {"from", piece.from}, {"to", piece.to}, {"text", piece.text}};
}

Json to_json(const Found& found) {
  return {{"id", found.id},
          {"kind", kind_name(found.kind)},
          {"name", found.name},
          {"path", found.path.string()},
          {"changed", found.changed}};
}

Json all_runs(Board& board) {
  Json list = Json::array();
  const auto scan = board.scan();
  for (const auto& [store, story] : newest_runs(board, *scan))
    list.push_back(run_line(*story, store));
  return {{"runs", list}};
}

Json compare(Board& board, const Target& target) {
  const Found store = board.find(Kind::Pipeline, target.path.at(2));
  std::vector<std::string> ids;
  std::string text = target.value("runs");
  for (std::size_t comma = 0; !text.empty();
       text.erase(0, comma == std::string::npos ? comma : comma + 1)) {
    comma = text.find(',');
    ids.push_back(text.substr(0, comma));
    board.runs().run(store.path, ids.back());  // throws for what is no run
  }
  if (ids.size() < 2) fail(ErrorCode::InvalidArgument, "runs must name two runs or more");
  return pipeline::compare_runs(pipeline::Store(store.path), ids);
}

Json run_answer(Board& board, const Target& target) {
  const Path& path = target.path;
  if (path.size() == 2) return all_runs(board);
  if (path.size() == 3) return compare(board, target);
  if (path.size() > 5) unknown(path);
  const Found store = board.find(Kind::Pipeline, path[2]);
  const RunShelf::Shared story = board.runs().run(store.path, path[3]);
  if (path.size() == 5) {
    if (path[4] != "log") unknown(path);
    return to_json(read_log(log_of(*story, target.value("step")), offset_of(target)));
  }
  Json document = run_document(*story, store.id, [&](const std::string& sha256) {
    return board.shown_artifact(store.path, sha256);
  });
  document["may_cancel"] = board.options().may_cancel;
  return document;
}

Json report_answer(Board& board, const Path& path) {
  if (path.size() > 3) unknown(path);
  if (path.size() == 3) {
    const Found report = board.find(Kind::Report, path[2]);
    Json document = to_json(report);
    document["report"] = report_document(report.path);
    return document;
  }
  Json list = Json::array();
  const auto scan = board.scan();
  for (const Found* report : scan->all(Kind::Report)) list.push_back(to_json(*report));
  return {{"reports", list}};
}

Json study_answer(Board& board, const Target& target) {
  const Path& path = target.path;
  if (path.size() == 2) {
    Json list = Json::array();
    const auto scan = board.scan();
    for (const Found* study : scan->all(Kind::Study)) list.push_back(study_line(board, *study));
    return {{"studies", list}};
  }
  const Found study = board.find(Kind::Study, path[2]);
  StudyShelf& shelf = board.studies();
  if (path.size() == 3) return shelf.summary(study);
  const std::string& what = path[3];
  if (path.size() == 4 && what == "trials") return shelf.trials(study);
  if (path.size() == 4 && what == "curves") return shelf.curves(study);
  if (path.size() == 4 && what == "workers") return shelf.workers(study);
  if (path.size() == 4 && what == "importance") return shelf.importance(study);
  if (path.size() < 5 || what != "trials") unknown(path);
  const std::int64_t trial = number_of(path[4], "the trial must be a number");
  if (path.size() == 5) return shelf.trial(study, trial);
  if (path.size() != 6 || path[5] != "log") unknown(path);
  return to_json(read_log(shelf.log(study, trial, target.value("name")), offset_of(target)));
}

Json training_answer(Board& board, const Path& path) {
  if (path.size() > 3) unknown(path);
  const auto scan = board.scan();
  if (path.size() == 3) {
    const Found training = board.find(Kind::Training, path[2]);
    Json document = to_json(training);
    document.update(training_document(training.path));
    for (const Found* model : scan->all(Kind::Model)) {
      if (model->path == training.path / "model.jetcal") document["model"] = model->id;
    }
    return document;
  }
  Json list = Json::array();
  for (const Found* training : scan->all(Kind::Training)) {
    list.push_back(to_json(*training));
    list.back().update(training_line(training->path));
  }
  return {{"trainings", list}};
}

Json model_answer(Board& board, const Path& path) {
  const auto scan = board.scan();
  if (path.size() == 2) {
    Json list = Json::array();
    for (const Kind kind : {Kind::Repository, Kind::Model}) {
      for (const Found* one : scan->all(kind)) list.push_back(to_json(*one));
    }
    return {{"models", list}};
  }
  if (path.size() != 4) unknown(path);
  std::vector<std::filesystem::path> folders;
  Json stores = Json::array();
  for (const Found* store : scan->all(Kind::Pipeline)) {
    folders.push_back(store->path);
    stores.push_back({{"id", store->id}, {"path", store->path.string()}});
  }
  const bool repository = path[2] == kind_name(Kind::Repository);
  if (!repository && path[2] != kind_name(Kind::Model)) unknown(path);
  const Found found = board.find(repository ? Kind::Repository : Kind::Model, path[3]);
  Json document = to_json(found);
  document.update(repository ? board.models().repository(found.path, folders)
                             : board.models().model(found.path, folders));
  document["stores"] = stores;
  return document;
}

}  // namespace

Json answer_api(Board& board, const Target& target) {
  const Path& path = target.path;
  if (path.size() < 2) unknown(path);
  if (path.size() == 2 && path[1] == "overview") return overview(board);
  if (path[1] == "runs") return run_answer(board, target);
  if (path[1] == "studies") return study_answer(board, target);
  if (path[1] == "trainings") return training_answer(board, path);
  if (path[1] == "models") return model_answer(board, path);
  if (path.size() == 2 && path[1] == "serving") return board.serving().document();
  if (path[1] == "reports") return report_answer(board, path);
  unknown(path);
}

}  // namespace jetcal::board
