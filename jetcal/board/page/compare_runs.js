// SPDX-License-Identifier: Apache-2.0
// Runs beside each other: what went in, what came out.
import {h, show} from "./dom.js";
import {get} from "./api.js";
import {count, isHash, seconds, value} from "./format.js";
import {crumbs, problem, stateBadge} from "./parts.js";
import {sideBySide} from "./compare_trials.js";

export const title = "Comparison of runs";
const shown = one => one === undefined || one === null ? "–" : isHash(one) ? h("code", {title: one}, one.slice(0, 12)) : value(one);

function stepRows(steps) {
  return Object.entries(steps).flatMap(([name, step]) => [
    [name, step.state, one => one ? stateBadge(one) : "–"],
    [`${name}: took`, step.seconds.map(one => one ? seconds(one) : null)],
    ...Object.entries(step.outputs).map(([output, values]) => [`${name}.${output}`, values, shown])]);
}

export function mount(place, parameters, signal) {
  const store = parameters.store;
  get(`runs/${store}?runs=${encodeURIComponent(parameters.query.get("runs") || "")}`, signal).then(found => show(place,
    crumbs(["Overview", "#/"], ["Runs", "#/runs"], ["Comparison"]),
    h("div", {class: "heading"}, h("h1", {}, `Comparison of ${count(found.runs.length, "run")}`)),
    h("section", {class: "card", "aria-label": "What went in"}, h("h2", {}, "What went in"), sideBySide("Parameters that differ",
      found.runs.map(run => h("a", {href: `#/runs/${store}/${encodeURIComponent(run.run)}`}, run.run)),
      [["state", found.runs.map(run => run.state), stateBadge], ["experiment", found.runs.map(run => run.experiment || null)], ...Object.entries(found.parameters)]),
      Object.keys(found.parameters).length === 0 && h("p", {class: "remark"}, "All parameters are the same.")),
    h("section", {class: "card", "aria-label": "What came out"}, h("h2", {}, "What came out"), sideBySide("Steps", found.runs.map(run => run.run), stepRows(found.steps)),
      h("p", {class: "remark"}, "Marked rows differ. Artefacts are shown by the first digits of their hash.")),
  )).catch(error => { if (!signal.aborted) show(place, problem("These runs cannot be compared", error.message)); });
}
