// SPDX-License-Identifier: Apache-2.0
#include "jetcal/analysis/report_page.h"

#include <fmt/format.h>

#include <string_view>

#include "jetcal/analysis/definitions.h"
#include "jetcal/analysis/detail/markup.h"
#include "jetcal/analysis/tables.h"
#include "jetcal/base/encoding.h"
#include "jetcal/base/version.h"

namespace jetcal::analysis {

namespace {

using detail::escape_markup;

constexpr const char* kStyle = R"(
body{font-family:Helvetica,Arial,sans-serif;max-width:1400px;margin:2em auto;padding:0 1.5em;color:#1a1a1a;line-height:1.4}
h1{font-size:1.7em}h2{border-bottom:2px solid #0072B2;padding-bottom:.15em;margin-top:2em}
nav a{margin-right:1.2em}a{color:#0072B2}
.table{overflow-x:auto;margin:1.2em 0}table{border-collapse:collapse;font-size:.88em}
caption{text-align:left;font-weight:bold;padding:.4em 0}
td,th{padding:.22em .8em;white-space:nowrap}td{text-align:right;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:normal}thead th{font-weight:bold;border-bottom:1px solid #888}
.groups th{text-align:center}tbody tr:hover{background:#eef4f9}tbody th:not(:empty){border-top:1px solid #ddd}
.remark{color:#555;font-size:.85em;margin:.2em 0}
figure{display:inline-block;width:47%;margin:1em 1%;vertical-align:top}figure img{width:100%}
figure.wide{width:97%}figcaption{color:#444;font-size:.88em}
details{margin:1em 0}summary{cursor:pointer;color:#0072B2}dt{font-weight:bold}dd{margin:0 0 .4em 1.5em}
@media print{figure{break-inside:avoid}nav{display:none}}
)";

std::string heading(std::string_view id, std::string_view text) {
  return fmt::format("<h2 id=\"{}\">{}</h2>\n", id, text);
}

std::string figures_of(const std::vector<PageFigure>& figures, std::string_view section) {
  std::string html;
  for (const PageFigure& item : figures) {
    const Figure& figure = item.figure;
    if (figure.section != section) continue;
    const bool wide = figure.layout == PanelLayout::Grid;
    html += fmt::format(
        "<figure id=\"{0}\"{1}><img src=\"data:image/png;base64,{2}\" alt=\"{3}\">"
        "<figcaption>{3}. Beside this page: {0}.pdf, {0}.svg, {0}.png, {0}.json.</figcaption>"
        "</figure>\n",
        figure.name, wide ? " class=\"wide\"" : "", base64(item.png),
        escape_markup(figure.caption));
  }
  return html;
}

// Lists a JSON object as terms and values; nested ones in short.
std::string list_fields(const nlohmann::ordered_json& fields) {
  std::string html = "<dl>\n";
  for (const auto& [key, value] : fields.items()) {
    html += "<dt>" + escape_markup(key) + "</dt>";
    const auto add = [&](const nlohmann::ordered_json& item) {
      const std::string text =
          item.is_string() ? item.get<std::string>() : item.dump(-1, ' ', false);
      html += "<dd>" + escape_markup(text) + "</dd>";
    };
    if (value.is_array()) {
      for (const auto& item : value) add(item);
    } else {
      add(value);
    }
    html += '\n';
  }
  return html + "</dl>\n";
}

std::string summary(const Analysis& analysis) {
  std::string names;
  for (const CorrectorNumbers& corrector : analysis.correctors)
    names += (names.empty() ? "" : ", ") + escape_markup(corrector.name);
  return fmt::format(
      "<p>{} of {} jets, the same for every corrector: {}. The baseline is {}. Errors are one "
      "standard deviation from {} bootstrap resamplings of the jets.</p>\n",
      analysis.counts.used, analysis.counts.read, names,
      escape_markup(analysis.correctors.front().name), analysis.options.resamplings);
}

std::string folded(std::string_view title, const std::string& content) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", title, content);
}

std::string sections(const Analysis& analysis, const std::vector<PageFigure>& figures) {
  std::string html = heading("gains", "Gains");
  if (analysis.correctors.size() > 1) html += to_html(gain_table(analysis));
  html += to_html(loss_table(analysis));
  html += heading("resolution", "Resolution") + to_html(range_table(analysis)) +
          to_html(both_regions_table(analysis)) + figures_of(figures, "Resolution");
  std::string bins;
  for (int region = 0; region < static_cast<int>(kRegions.size()); ++region)
    bins += to_html(bin_table(analysis, region));
  html += folded("All bins of pt_gen", bins);
  html += heading("response", "Response") + figures_of(figures, "Response");
  html += heading("flavor", "Flavor dependence") + to_html(flavor_table(analysis, 0));
  std::string ranges;
  for (int range = 1; range < static_cast<int>(kPtRanges.size()); ++range)
    ranges += to_html(flavor_table(analysis, range));
  html += folded("Medians by flavor in the other ranges", ranges) +
          to_html(residual_table(analysis)) + figures_of(figures, "Flavor dependence");
  html += heading("pileup", "Pileup");
  for (const Table& table : pileup_tables(analysis)) html += to_html(table);
  html += figures_of(figures, "Pileup");
  return html + heading("sample", "Sample") + to_html(counts_table(analysis)) +
         figures_of(figures, "Sample");
}

}  // namespace

std::string report_page(const Analysis& analysis, const nlohmann::ordered_json& source,
                        const std::vector<PageFigure>& figures) {
  std::string words = "<dl>\n";
  for (const Definition& definition : definitions()) {
    words += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escape_markup(std::string(definition.word)),
                         escape_markup(std::string(definition.meaning)));
  }
  words += "</dl>\n";
  const nlohmann::ordered_json run{{"program", fmt::format("jetcal {} ({})", version(), commit())},
                                   {"bootstrap resamplings", analysis.options.resamplings},
                                   {"bootstrap seed", analysis.options.seed},
                                   {"min_jets", analysis.options.min_jets},
                                   {"threshold on pt_reco, GeV", analysis.reco_threshold}};
  return fmt::format(
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
             "<title>jetcal analyze</title>\n<style>{}</style></head><body>\n"
             "<h1>Response of the corrected jets</h1>\n<nav><a href=\"#gains\">Gains</a>"
             "<a href=\"#resolution\">Resolution</a><a href=\"#response\">Response</a>"
             "<a href=\"#flavor\">Flavor dependence</a><a href=\"#pileup\">Pileup</a>"
             "<a href=\"#sample\">Sample</a><a href=\"#definitions\">Definitions</a>"
             "<a href=\"#provenance\">Provenance</a></nav>\n",
             kStyle) +
         summary(analysis) + sections(analysis, figures) + heading("definitions", "Definitions") +
         words + heading("provenance", "Provenance") + list_fields(run) + list_fields(source) +
         "</body></html>\n";
}

}  // namespace jetcal::analysis
