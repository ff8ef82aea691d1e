// SPDX-License-Identifier: Apache-2.0
// Trials beside each other.
import {h, show} from "./dom.js";
import {get} from "./api.js";
import {count, number, seconds, value} from "./format.js";
import {axis, chart} from "./charts.js";
import {crumbs, problem, stateBadge} from "./parts.js";

const MOST = 12;

/// A table of rows [name, values]; rows whose values differ are marked.
export function sideBySide(caption, heads, rows) {
  return h("div", {class: "scroll"}, h("table", {class: "plain beside"}, h("caption", {class: "unseen"}, caption),
    h("thead", {}, h("tr", {}, h("th", {scope: "col"}, h("span", {class: "unseen"}, "What")), heads.map(head => h("th", {scope: "col"}, head)))),
    h("tbody", {}, rows.map(([name, values, inside]) => {
      const differ = new Set(values.map(one => JSON.stringify(one ?? null))).size > 1;
      return h("tr", {class: differ ? "differs" : null}, h("th", {scope: "row", class: "long"}, name, differ && h("span", {class: "unseen"}, " (differs)")),
        values.map(one => h("td", {class: "long"}, inside ? inside(one) : one === undefined || one === null ? "–" : value(one))));
    }))));
}

export async function mount_(place, parameters, signal) {
  const id = parameters.study, wanted = (parameters.query.get("trials") || "").split(",").filter(Boolean).slice(0, MOST);
  if (wanted.length < 2) { show(place, problem("Nothing to compare", "Choose two trials or more in the table of a study.")); return; }
  const trials = await Promise.all(wanted.map(one => get(`studies/${id}/trials/${encodeURIComponent(one)}`, signal)));
  const names = [...new Set(trials.flatMap(trial => Object.keys(trial.values)))], metrics = [...new Set(trials.flatMap(trial => Object.keys(trial.metrics)))];
  const objectives = trials[0].objective_names;
  const curves = chart({label: `Courses of ${objectives[0]}`, height: 340, signal, build: colors => ({legend: {}, tooltip: {trigger: "axis", valueFormatter: one => number(one)},
    xAxis: axis(colors, {name: "units of work", type: "value"}), yAxis: axis(colors, {scale: true, name: objectives[0], nameGap: 52}),
    series: trials.map(trial => ({name: `trial ${trial.number}`, type: "line", symbolSize: 5, data: trial.course.map(one => [one.resource, one.objectives[0]])}))}),
    describe: () => trials.map(trial => `trial ${trial.number} ends at ${trial.course.length ? number(trial.course.at(-1).objectives[0]) : "nothing"}`).join("; ") + "."});
  show(place, crumbs(["Overview", "#/"], ["Studies", "#/studies"], [trials[0].study, `#/studies/${id}`], ["Comparison"]),
    h("div", {class: "heading"}, h("h1", {}, `Comparison of ${count(trials.length, "trial")}`)),
    h("section", {class: "card"}, sideBySide("Trials", trials.map(trial => h("a", {href: `#/studies/${id}/trials/${trial.number}`}, `Trial ${trial.number}`)), [
      ["state", trials.map(trial => trial.state), stateBadge], ...objectives.map((name, k) => [name, trials.map(trial => trial.objectives[k])]),
      ...names.map(name => [name, trials.map(trial => trial.values[name])]), ...metrics.filter(name => !objectives.includes(name)).map(name => [name, trials.map(trial => trial.metrics[name])]),
      ["units of work", trials.map(trial => trial.resource)], ["took", trials.map(trial => seconds(trial.seconds))]]),
      h("p", {class: "remark"}, "Marked rows differ.")),
    trials.some(trial => trial.course.length > 1) && h("section", {class: "card", "aria-label": "Courses"}, curves.view));
}

export const title = "Comparison of trials";
export function mount(place, parameters, signal) {
  mount_(place, parameters, signal).catch(error => { if (!signal.aborted) show(place, problem("These trials cannot be compared", error.message)); });
}
