// SPDX-License-Identifier: Apache-2.0
// The numbers of one analysis, and the way to the report itself.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {count, number, shortName, value} from "./format.js";
import {axis, chart} from "./charts.js";
import {crumbs, facts, problem} from "./parts.js";

const measured = one => !one || one.value === null || one.value === undefined ? "–" : `${number(one.value, 4)} ± ${number(one.error, 2)}`;
const percent = part => part === null || part === undefined ? "–" : `${(100 * part).toFixed(1)} %`;

function curveChart(report, region, field, label, signal) {
  return chart({label, height: 330, signal, build: colors => ({legend: {}, tooltip: {trigger: "axis", valueFormatter: one => number(one, 4)},
      xAxis: axis(colors, {type: "log", name: "pT of the gen jet, GeV"}), yAxis: axis(colors, {scale: true}),
      series: report.correctors.map(one => ({name: one.name, type: "line", symbolSize: 6, data: one.regions[region].curves.filter(point => point[field].value !== null).map(point => [point.pt, point[field].value])}))}),
    describe: () => report.correctors.map(one => { const points = one.regions[region].curves; return `${one.name} from ${number(points[0]?.[field].value, 3)} to ${number(points.at(-1)?.[field].value, 3)}`; }).join("; ") + "."});
}

function rangeTable(report, region) {
  const ranges = report.correctors[0].regions[region].ranges.map(one => one.range);
  return h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, `Ranges of pT, ${region}`),
    h("thead", {}, h("tr", {}, ["pT of the gen jet, GeV", "Corrector", "Jets", "Response", "Resolution", "Resolution gained (β)", "Flavor differences gained (α)"].map((name, i) => h("th", {scope: "col", class: i > 1 ? "number" : null}, name)))),
    h("tbody", {}, ranges.map((range, i) => report.correctors.map((one, k) => { const row = one.regions[region].ranges[i];
      return h("tr", {}, k === 0 && h("th", {scope: "rowgroup", rowspan: report.correctors.length}, range), h("td", {}, one.name), h("td", {class: "number"}, value(row.jets)), h("td", {class: "number"}, measured(row.median)), h("td", {class: "number"}, measured(row.resolution)),
        h("td", {class: "number"}, one.name === report.baseline ? "" : measured(row.beta)), h("td", {class: "number"}, one.name === report.baseline ? "" : measured(row.alpha))); })))));
}

function analysis(report, charts) {
  const correctors = report.correctors;
  return [h("section", {class: "card", "aria-labelledby": "loss-title"}, h("h2", {id: "loss-title"}, "Loss"), h("div", {class: "scroll"}, h("table", {class: "plain narrow"}, h("caption", {class: "unseen"}, "Loss of each corrector"),
      h("thead", {}, h("tr", {}, ["Corrector", "Loss", "Gained"].map((name, i) => h("th", {scope: "col", class: i ? "number" : null}, name)))),
      h("tbody", {}, correctors.map(one => h("tr", {}, h("th", {scope: "row"}, one.name), h("td", {class: "number"}, number(one.loss, 5)), h("td", {class: "number"}, one.name === report.baseline ? "baseline" : percent(one.loss_gain))))))),
      h("p", {class: "remark"}, `${report.definitions.loss || ""}. ${count(report.counts.used || 0, "jet")} of ${value(report.counts.read)} used.`)),
    charts.map(([region, figures]) => h("section", {class: "card", "data-key": region, "aria-label": region}, h("h2", {}, region), h("div", {class: "grid small-grid"}, figures), rangeTable(report, region))),
    h("details", {}, h("summary", {}, "What the numbers mean"), facts(Object.entries(report.definitions))),
    h("details", {}, h("summary", {}, "Source"), facts(Object.entries(report.source).map(([name, one]) => [name, value(one)])))];
}

export function mount(place, parameters, signal, title) {
  let charts = null, changed = 0;
  live(`reports/${parameters.report}`, signal, one => {
    const report = one.report;
    const name = shortName(one.name);
    title(name);
    if (report.kind === "analysis" && changed !== one.changed) {
      charts = Object.keys(report.correctors[0].regions).map(region => [region, [curveChart(report, region, "resolution", "Resolution", signal).view, curveChart(report, region, "response", "Median response", signal).view]]);
      changed = one.changed;
    }
    const slot = figure => figure.isConnected ? h("figure", {class: figure.className, "data-own": ""}) : figure;
    show(place, crumbs(["Overview", "#/"], ["Physics", "#/physics"], [name]),
      h("div", {class: "heading"}, h("h1", {}, name), h("a", {class: "button", id: "open-report", href: `/reports/${one.id}/index.html`, target: "_blank", rel: "noopener"}, "Open the report", h("span", {class: "unseen"}, " in a new window"))),
      h("p", {class: "remark long"}, one.path),
      report.kind === "analysis" ? analysis(report, charts.map(([region, figures]) => [region, figures.map(slot)])) :
      report.kind === "search" ? h("section", {class: "card"}, facts([["Source", report.source], ["Metric", report.metric], ["Trials", report.trials], ["With a result", report.counted], ["Best", report.best ? `${number(report.best.metrics[report.metric])}, trial ${report.best.name}` : ""]])) :
      h("p", {class: "note"}, "The board knows nothing of its numbers; the report speaks for itself."));
  }, () => 8000, error => show(place, problem("This report cannot be had", error.message)));
}
