// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/draw.h"

#include <TCanvas.h>
#include <TError.h>
#include <TROOT.h>
#include <TStyle.h>

#include <array>
#include <fstream>
#include <string_view>

#include "jetcal/analysis/detail/pad_painter.h"
#include "jetcal/analysis/detail/svg_text.h"
#include "jetcal/base/error.h"
#include "jetcal/base/files.h"

namespace jetcal::analysis {

namespace {

using detail::Placement;

constexpr double kRatioPart = 0.32;  // of the height of a figure with a ratio below
constexpr double kGridScale = 0.85;

struct Size {
  int width, height;  // pixels of the PNG
};

Size figure_size(PanelLayout layout) {
  if (layout == PanelLayout::WithRatio) return {1200, 1200};
  if (layout == PanelLayout::Grid) return {1600, 1280};
  return {1200, 960};
}

std::vector<Placement> placements(PanelLayout layout) {
  const Placement whole;
  if (layout == PanelLayout::Single) return {whole};
  if (layout == PanelLayout::WithRatio) {
    Placement top = whole, bottom = whole;
    top.y_low = kRatioPart;
    top.bottom = 12;
    top.x_axis_text = false;
    bottom.y_high = kRatioPart;
    bottom.top = 12;
    bottom.few_y_labels = true;
    return {top, bottom};
  }
  std::vector<Placement> grid;
  for (int i = 0; i < 4; ++i) {
    Placement cell = whole;
    cell.scale = kGridScale;
    cell.left = 120;
    cell.x_low = 0.5 * (i % 2);
    cell.x_high = cell.x_low + 0.5;
    cell.y_high = i < 2 ? 1 : 0.5;
    cell.y_low = cell.y_high - 0.5;
    cell.few_y_labels = true;
    cell.bottom = 140;
    grid.push_back(cell);
  }
  return grid;
}

void set_up_root() {
  gROOT->SetBatch(true);
  gErrorIgnoreLevel = kWarning;  // no line for every file written
  gStyle->SetOptStat(0);
  gStyle->SetOptTitle(0);
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
  const auto [width, height] = figure_size(figure.layout);
  const std::vector<Placement> places = placements(figure.layout);
  if (figure.panels.size() > places.size())
    fail(ErrorCode::Internal, "the figure ", figure.name, " has more panels than its layout");

  TCanvas canvas(figure.name.c_str(), "", width, height);
  canvas.SetCanvasSize(width, height);
  for (std::size_t i = 0; i < figure.panels.size(); ++i) {
    canvas.cd();
    detail::paint_panel(figure.panels[i], places[i], width, height);
  }
  canvas.cd();
  detail::paint_header(label, places.front(), width, height);

  std::vector<std::string> names;
  for (const Format& format : kFormats) {
    names.push_back(figure.name + format.suffix);
    const std::filesystem::path path = folder / names.back();
    canvas.SaveAs(path.c_str());
    check_complete(path, format.end);
    if (path.extension() == ".svg")
      write_file(path, detail::tidy_svg(read_file(path), figure.caption));
  }
  return names;
}

}  // namespace jetcal::analysis
