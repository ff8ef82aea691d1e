// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/draw.h"

#include <TCanvas.h>
#include <TError.h>
#include <TROOT.h>
#include <TStyle.h>

#include <array>
#include <fstream>
#include <string_view>

#include "jetcal/analysis/detail/figure_layout.h"
#include "jetcal/analysis/detail/file_date.h"
#include "jetcal/analysis/detail/pad_painter.h"
#include "jetcal/analysis/detail/svg_text.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::analysis {

namespace {

using detail::Placement;

void set_up_root() {
  gROOT->SetBatch(true);
  gErrorIgnoreLevel = kWarning;  // no line for every file written
  gStyle->SetOptStat(0);
  gStyle->SetOptTitle(0);
  gStyle->SetPalette(kViridis);
  gStyle->SetNumberContours(64);
  gStyle->SetEndErrorSize(0);
  gStyle->SetFrameLineWidth(2);
  gStyle->SetLineScalePS(1.5);
  gStyle->SetPaperSize(20, 26);
}

// ROOT does not tell when a disk is full: a whole file ends as its format says.
struct Format {
  const char* suffix;
  std::string_view end;
};
constexpr std::array<Format, 3> kFormats{{{".pdf", "%%EOF"}, {".svg", "</svg>"}, {".png", "IEND"}}};

void check_complete(const std::filesystem::path& path, std::string_view end) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail(ErrorCode::Internal, "ROOT could not write the figure: ", path.string());
  const std::streamoff size = file.tellg();
  constexpr std::streamoff kTail = 32;
  std::string tail(static_cast<std::size_t>(std::min(size, kTail)), '\0');
  file.seekg(size - static_cast<std::streamoff>(tail.size()));
  file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  if (tail.find(end) == std::string::npos)
    fail(ErrorCode::ResourceExhausted,
         "the figure could not be written completely, is the disk full: ", path.string());
}

}  // namespace

std::vector<std::string> draw(const Figure& figure, const std::string& label,
                              const std::filesystem::path& folder) {
  set_up_root();
  const auto [width, height] = detail::figure_size(figure.layout);
  const std::vector<Placement> places = detail::placements(figure.layout);
  if (figure.panels.size() > places.size())
    fail(ErrorCode::Internal, "the figure ", figure.name, " has more panels than its layout");

  TCanvas canvas(figure.name.c_str(), "", width, height);
  canvas.SetCanvasSize(width, height);
  for (std::size_t i = 0; i < figure.panels.size(); ++i) {
    canvas.cd();
    detail::paint_panel(figure.panels[i], places[i],
                        detail::lay_out_head(figure.panels[i], figure.layout, i), width, height);
  }
  canvas.cd();
  Placement header = places.front();
  header.right = Placement().right;
  detail::paint_header(label, header, width, height);

  std::vector<std::string> names;
  for (const Format& format : kFormats) {
    names.push_back(figure.name + format.suffix);
    const std::filesystem::path path = folder / names.back();
    canvas.SaveAs(path.c_str());
    check_complete(path, format.end);
    const long long date = detail::source_date();
    const bool svg = path.extension() == ".svg";
    if (!svg && (date < 0 || path.extension() != ".pdf")) continue;
    std::string text = read_file(path);
    if (svg) text = detail::tidy_svg(text, figure.caption);
    if (date >= 0) text = detail::with_date(std::move(text), date);
    std::ofstream file(path, std::ios::binary);
    file << text;  // not synced: a run makes dozens, and its folder appears when all are there
    file.close();
    check_complete(path, format.end);
  }
  return names;
}

}  // namespace jetcal::analysis
