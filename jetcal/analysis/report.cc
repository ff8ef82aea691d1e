// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/report.h"

#include "jetcal/analysis/draw.h"
#include "jetcal/analysis/figures.h"
#include "jetcal/analysis/report_page.h"
#include "jetcal/base/files.h"

namespace jetcal::analysis {

nlohmann::ordered_json write_report(const Analysis& analysis, const ReportOptions& options,
                                    const std::filesystem::path& folder) {
  PartialFolder stage(folder);
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
