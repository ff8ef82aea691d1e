// SPDX-License-Identifier: Apache-2.0
// All reports, with what the newest analyses say.
import {h, show} from "./dom.js";
import {get, live} from "./api.js";
import {ago, clock, count, number, shortName} from "./format.js";
import {crumbs, empty, problem} from "./parts.js";

export const title = "Physics";
const LOOKED_AT = 12;
const kinds = {analysis: "analysis of a correction", search: "report of a search", other: "report"};

function said(one) {
  if (!one) return "";
  if (one.error) return h("span", {class: "reason"}, one.error);
  if (one.kind === "analysis") return one.correctors.map(corrector => `${corrector.name} ${number(corrector.loss, 4)}`).join(", ");
  if (one.kind === "search") return one.best ? `${count(one.trials, "trial")}; best ${one.metric} ${number(one.best.metrics[one.metric])}` : count(one.trials, "trial");
  return "";
}

export function mount(place, parameters, signal) {
  const known = new Map();
  let reports = [];
  const render = () => show(place, crumbs(["Overview", "#/"], ["Physics"]), h("div", {class: "heading"}, h("h1", {}, "Physics"), h("p", {class: "remark"}, count(reports.length, "report"))),
    reports.length === 0 ? empty("No report yet", "Reports of jetcal analyze and jetcal tune report appear here.", "jetcal analyze --input shards --corrector PFN=run/model.jetcal --output report") :
    h("section", {class: "card"}, h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, "Reports, newest first"), h("thead", {}, h("tr", {}, ["Report", "What it is", "Loss of each corrector", "Changed", "Open"].map(name => h("th", {scope: "col"}, name)))),
      h("tbody", {}, reports.map(one => { const report = known.get(one.id + one.changed); return h("tr", {"data-key": one.id}, h("th", {scope: "row", class: "long"}, h("a", {class: "name", href: `#/physics/${one.id}`, title: one.path}, shortName(one.name))),
        h("td", {}, report ? kinds[report.kind] || "" : ""), h("td", {class: "long"}, said(report)), h("td", {class: "when", title: clock(one.changed)}, ago(one.changed)),
        h("td", {}, h("a", {href: `/reports/${one.id}/index.html`, target: "_blank", rel: "noopener"}, "Report", h("span", {class: "unseen"}, ` ${one.name}, in a new window`)))); }))))));
  live("reports", signal, async fresh => {
    reports = fresh.reports;
    render();
    for (const one of reports.slice(0, LOOKED_AT)) {
      const key = one.id + one.changed;
      if (known.has(key) || signal.aborted) continue;
      known.set(key, await get(`reports/${one.id}`, signal).then(found => found.report).catch(error => ({error: error.message})));
      if (!signal.aborted) render();
    }
  }, () => 5000, error => show(place, problem("The reports cannot be had", error.message)));
}
