// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/report.h"

#include <fmt/format.h>

#include <system_error>

#include "jetcal/analysis/detail/markup.h"
#include "jetcal/analysis/draw.h"
#include "jetcal/analysis/figures.h"
#include "jetcal/analysis/tables.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::analysis {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_on_folder(const fs::path& folder, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device;
  fail(full ? ErrorCode::ResourceExhausted : ErrorCode::InvalidArgument,
       "cannot write the report to ", folder.string(), ": ", error.message());
}

// Collects files in FOLDER.part, and moves them into FOLDER when all are there.
class Stage {
 public:
  explicit Stage(const fs::path& target) : target_(fs::absolute(target).lexically_normal()) {
    if (target_.filename().empty()) target_ = target_.parent_path();  // a slash at the end
    path_ = target_;
    path_ += ".part";
    std::error_code error;
    if (fs::exists(target_) && !fs::is_directory(target_))
      fail(ErrorCode::InvalidArgument, "the output is a file, not a folder: ", target_.string());
    fs::remove_all(path_, error);  // of a run that was killed
    fs::create_directories(path_, error);
    if (error) fail_on_folder(path_, error);
  }
  ~Stage() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  const fs::path& path() const noexcept { return path_; }

  void commit() {
    std::error_code error;
    fs::create_directories(target_, error);
    if (error) fail_on_folder(target_, error);
    for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
      fs::rename(entry.path(), target_ / entry.path().filename(), error);
      if (error) fail_on_folder(target_, error);
    }
  }

 private:
  fs::path target_, path_;
};

std::string index_page(const Analysis& analysis, const std::vector<Figure>& figures) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>jetcal "
      "analyze</title>\n"
      "<style>body{font-family:Helvetica,Arial,sans-serif;max-width:1300px;margin:2em "
      "auto;padding:0 "
      "1em}figure{display:inline-block;width:46%;margin:1em 1%;vertical-align:top}img{width:100%}"
      "pre{overflow-x:auto;background:#f5f5f5;padding:1em}figcaption{color:#444}</style></"
      "head><body>\n"
      "<h1>Response of the corrected jets</h1>\n";
  for (const std::string& table : {loss_table(analysis), gain_table(analysis),
                                   flavor_table(analysis), counts_table(analysis)}) {
    page += "<pre>" + detail::escape_markup(table) + "</pre>\n";
  }
  for (const Figure& figure : figures) {
    page += fmt::format(
        "<figure><img src=\"{0}.png\" alt=\"{1}\"><figcaption>{1} (<a href=\"{0}.pdf\">PDF</a>, "
        "<a href=\"{0}.svg\">SVG</a>, <a href=\"{0}.json\">data</a>)</figcaption></figure>\n",
        figure.name, detail::escape_markup(figure.caption));
  }
  return page + "</body></html>\n";
}

}  // namespace

nlohmann::ordered_json write_report(const Analysis& analysis, const ReportOptions& options,
                                    const std::filesystem::path& folder) {
  Stage stage(folder);
  const std::vector<Figure> figures = make_figures(analysis);
  nlohmann::ordered_json figure_list = nlohmann::ordered_json::array();
  for (const Figure& figure : figures) {
    std::vector<std::string> files = draw(figure, options.label, stage.path());
    files.push_back(figure.name + ".json");
    nlohmann::ordered_json data = to_json(figure);
    write_file(stage.path() / files.back(), data.dump(1) + "\n");
    data["files"] = files;
    figure_list.push_back(std::move(data));
  }
  nlohmann::ordered_json report{{"source", options.source}};
  report.update(to_json(analysis));
  report["figures"] = std::move(figure_list);
  write_file(stage.path() / "index.html", index_page(analysis, figures));
  write_file(stage.path() / "report.json", report.dump(1) + "\n");
  stage.commit();
  return report;
}

}  // namespace jetcal::analysis
