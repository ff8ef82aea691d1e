// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/report.h"

#include <system_error>

#include "jetcal/analysis/draw.h"
#include "jetcal/analysis/figures.h"
#include "jetcal/analysis/report_page.h"
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

}  // namespace

nlohmann::ordered_json write_report(const Analysis& analysis, const ReportOptions& options,
                                    const std::filesystem::path& folder) {
  Stage stage(folder);
  std::vector<PageFigure> page_figures;
  nlohmann::ordered_json figure_list = nlohmann::ordered_json::array();
  for (Figure& figure : make_figures(analysis)) {
    std::vector<std::string> files = draw(figure, options.label, stage.path());
    files.push_back(figure.name + ".json");
    nlohmann::ordered_json data = to_json(figure);
    write_file(stage.path() / files.back(), data.dump(1) + "\n");
    data["files"] = files;
    figure_list.push_back(std::move(data));
    std::string png = read_file(stage.path() / (figure.name + ".png"));
    page_figures.push_back({std::move(figure), std::move(png)});
  }
  nlohmann::ordered_json report{{"source", options.source}};
  report.update(to_json(analysis));
  report["figures"] = std::move(figure_list);
  write_file(stage.path() / "index.html", report_page(analysis, options.source, page_figures));
  write_file(stage.path() / "report.json", report.dump(1) + "\n");
  stage.commit();
  return report;
}

}  // namespace jetcal::analysis
