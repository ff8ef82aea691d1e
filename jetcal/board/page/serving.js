// SPDX-License-Identifier: Apache-2.0
// Servers: how much they answer, in which batches, how fast.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, count, number} from "./format.js";
import {axis, chart} from "./charts.js";
import {crumbs, empty, problem, stateBadge, toneOf} from "./parts.js";

export const title = "Serving";
const FIELDS = {time: 0, requests: 1, failures: 2, rows: 3, batch: 4, p50: 5, p90: 6, p99: 7, pending: 8};
const milli = us => us >= 1e6 ? `${(us / 1e6).toFixed(2)} s` : us >= 1000 ? `${(us / 1000).toFixed(us < 10000 ? 2 : 1)} ms` : `${Math.round(us)} µs`;
const RECENT = 5;

// Of the last few looks, so that one quiet moment is no news.
function recent(points) {
  const last = points.slice(-RECENT), mean = field => last.length ? last.reduce((sum, point) => sum + point[FIELDS[field]], 0) / last.length : 0;
  const busy = last.filter(point => point[FIELDS.p50] > 0), of = field => busy.length ? busy.reduce((sum, point) => sum + point[FIELDS[field]], 0) / busy.length : 0;
  const rows = last.filter(point => point[FIELDS.batch] > 0);
  return {requests: mean("requests"), rows: mean("rows"), failures: mean("failures"), batch: rows.length ? rows.reduce((sum, point) => sum + point[FIELDS.batch], 0) / rows.length : 0, p50: of("p50"), p99: of("p99")};
}

class ModelPanel {
  constructor(signal) {
    const line = (label, names, format, describe) => chart({label, height: 230, signal, describe, build: colors => ({legend: names.length > 1 ? {} : undefined, tooltip: {trigger: "axis", valueFormatter: format},
      xAxis: axis(colors, {type: "time", splitLine: {show: false}, axisLabel: {color: colors["ink-soft"], hideOverlap: true}}), yAxis: axis(colors, {min: 0, axisLabel: {color: colors["ink-soft"], formatter: format}}),
      series: names.map(([name, field]) => ({name, type: "line", showSymbol: false, lineStyle: {width: 1.8}, data: this.data.points.map(point => [point[0] * 1000, point[FIELDS[field]] || (field.startsWith("p") || field === "batch" ? null : 0)])}))})});
    const now = () => recent(this.data.points);
    this.charts = [line("Answers a second", [["requests", "requests"], ["jets", "rows"]], one => number(one, 3), () => `Now ${number(now().requests, 3)} requests and ${number(now().rows, 3)} jets a second.`),
      line("Jets of one run of the network", [["batch", "batch"]], one => number(one, 3), () => now().batch ? `Now ${number(now().batch, 3)} jets a run.` : "No run in the last seconds."),
      line("Time from arrival to reply", [["median", "p50"], ["90 %", "p90"], ["99 %", "p99"]], one => one ? milli(one) : "0", () => now().p50 ? `Now half are answered within ${milli(now().p50)}, 99 % within ${milli(now().p99)}.` : "No answer in the last seconds."),
      line("Waiting and failed", [["waiting", "pending"], ["failed a second", "failures"]], one => number(one, 3), () => `${number(this.data.pending)} wait now.`)];
  }
  update(data) {
    this.data = data;
    for (const one of this.charts) one.update();
  }
}

function tiles(data) {
  const now = recent(data.points), life = Object.fromEntries(data.quantiles);
  const tile = (text, label, title) => h("li", {class: "tile", title}, h("strong", {}, text), h("span", {}, label));
  return h("ul", {class: "tiles"}, tile(number(now.requests, 3), "requests a second"), tile(number(now.rows, 3), "jets a second"), tile(now.batch ? number(now.batch, 3) : "–", "jets a run"),
    tile(now.p50 ? milli(now.p50) : "–", "median time"), tile(now.p99 ? milli(now.p99) : "–", "99 % within"), tile(number(data.pending), "waiting"), tile(data.failure.toLocaleString("en"), "failed since its start"),
    tile(data.success.toLocaleString("en"), "answered since its start", life[0.99] ? `99 % within ${milli(life[0.99])}` : ""));
}

export function mount(place, parameters, signal) {
  const panels = new Map();
  live("serving", signal, ({endpoints, interval}) => {
    const slot = figure => figure.isConnected ? h("figure", {class: figure.className, "data-own": ""}) : figure;
    const fresh = [];
    show(place, crumbs(["Overview", "#/"], ["Serving"]), h("div", {class: "heading"}, h("h1", {}, "Serving"), endpoints.length > 0 && h("p", {class: "remark"}, `${count(endpoints.length, "server")}, asked every ${number(interval)} s`)),
      endpoints.length === 0 ? empty("No server is asked", "Name servers when the board is started; it then keeps the last half hour of what they count.", "jetcal board --serving http://127.0.0.1:8000") :
      endpoints.map(one => h("section", {class: "card", "data-key": one.url, "aria-label": one.url},
        h("div", {class: "heading"}, h("h2", {class: "long"}, one.url), stateBadge(one.state), h("span", {class: "remark"}, `${ago(one.since)}${one.version ? `; version ${one.version}` : ""}`)),
        one.message && h("div", {class: toneOf(one.state) === "bad" ? "alert" : "note"}, h("p", {class: "reason"}, one.message)),
        one.models.filter(model => model.state && model.state !== "READY").map(model => h("p", {class: "note long"}, `${model.name} ${model.version || ""}: ${model.state}${model.reason ? `, ${model.reason}` : ""}`)),
        one.counts.length === 0 && one.state === "ready" && h("p", {class: "remark"}, "It serves no model."),
        one.counts.map(data => {
          const key = `${one.url}|${data.model}|${data.version}`;
          if (!panels.has(key)) panels.set(key, new ModelPanel(signal));
          const panel = panels.get(key);
          fresh.push([panel, data]);
          panel.data = data;
          return h("section", {class: "served", "data-key": key, "aria-label": `${data.model}, version ${data.version}`}, h("h3", {}, `${data.model}, version ${data.version}`), tiles(data), h("div", {class: "grid small-grid"}, panel.charts.map(figure => slot(figure.view))));
        }))));
    for (const [panel, data] of fresh) panel.update(data);
  }, () => 2000, error => show(place, problem("The servers cannot be had", error.message)));
}
