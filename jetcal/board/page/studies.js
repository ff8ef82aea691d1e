// SPDX-License-Identifier: Apache-2.0
// All studies.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, clock, count, number, shortName} from "./format.js";
import {crumbs, empty, problem, stateBadge} from "./parts.js";
import {trialCounts} from "./overview.js";

export const title = "Studies";

export function mount(place, parameters, signal) {
  live("studies", signal, ({studies}) => show(place,
    crumbs(["Overview", "#/"], ["Studies"]),
    h("div", {class: "heading"}, h("h1", {}, "Studies"), h("p", {class: "remark"}, count(studies.length, "study", "studies"))),
    studies.length === 0 ? empty("No study yet", "Studies of jetcal tune appear here as soon as they begin.", "jetcal tune --config configs/tune-pfn.yaml") :
    h("section", {class: "card"}, h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, "All studies, newest first"),
      h("thead", {}, h("tr", {}, ["Study", "Algorithm", "Trials", "Objective", "Best", "Work goes on", "Changed"].map(name => h("th", {scope: "col", class: name === "Best" ? "number" : null}, name)))),
      h("tbody", {}, studies.map(one => h("tr", {"data-key": one.id},
        h("th", {scope: "row", class: "long"}, h("a", {class: "name", href: `#/studies/${one.id}`}, one.title || one.name), h("p", {class: "remark long"}, shortName(one.name))),
        one.error ? h("td", {colspan: "5"}, h("span", {class: "reason"}, one.error)) : [
          h("td", {}, one.algorithm), h("td", {}, trialCounts(one.trials, one.tuners)),
          h("td", {class: "long"}, one.objectives.map(o => `${o.metric}${o.goal === "maximise" ? " (more is better)" : ""}`).join(", ")),
          h("td", {class: "number"}, one.best ? number(one.best.value) : "–"),
          h("td", {}, one.tuners ? [stateBadge("running")] : "no")],
        h("td", {class: "when", title: clock(one.changed)}, ago(one.changed))))))))),
  ({studies}) => studies.some(one => one.tuners) ? 2500 : 6000, error => show(place, problem("The studies cannot be had", error.message)));
}
