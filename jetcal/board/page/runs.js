// SPDX-License-Identifier: Apache-2.0
// All runs; those that are chosen are compared.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, clock, count, seconds, value} from "./format.js";
import {crumbs, empty, problem, stateBadge, strip} from "./parts.js";

export const title = "Runs";

export function mount(place, parameters, signal) {
  const chosen = new Set();
  let data = null, words = "";
  const matches = run => words.split(/\s+/).filter(Boolean).every(word =>
    [run.run, run.pipeline, run.experiment, run.state, run.message, ...Object.entries(run.parameters).map(([k, v]) => `${k}=${value(v)}`)]
      .join(" ").toLowerCase().includes(word));
  const render = () => {
    const runs = data.runs.filter(matches);
    const stores = new Set([...chosen].map(one => one.split("/")[0]));
    const ids = [...chosen].map(one => one.slice(one.indexOf("/") + 1));
    show(place,
      crumbs(["Overview", "#/"], ["Runs"]),
      h("div", {class: "heading"}, h("h1", {}, "Runs"), h("p", {class: "remark"}, count(runs.length, "run"))),
      data.runs.length === 0 ? empty("No run yet", "Runs of jetcal pipeline appear here as soon as they start.", "jetcal pipeline run") : [
        h("div", {class: "tools"},
          h("label", {}, "Only with ", h("input", {type: "search", id: "filter", placeholder: "words: state, experiment, lr=0.1", autocomplete: "off"})),
          ids.length > 1 && stores.size === 1
            ? h("a", {class: "button", href: `#/runs/${[...stores][0]}/compare?runs=${ids.map(encodeURIComponent).join(",")}`}, `Compare ${ids.length} runs`)
            : h("span", {class: "remark"}, stores.size > 1 ? "Runs of one pipeline folder can be compared." : "Choose two runs or more to compare them.")),
        h("div", {class: "scroll"}, h("table", {class: "plain runs"}, h("caption", {class: "unseen"}, "All runs, newest first"),
          h("thead", {}, h("tr", {}, ["", "Run", "State", "Steps", "Pipeline", "Experiment", "Began", "Took"].map(name =>
            h("th", {scope: "col", class: name === "Took" ? "number" : null}, name || h("span", {class: "unseen"}, "Compare"))))),
          h("tbody", {}, runs.map(run => {
            const id = `${run.store}/${run.run}`;
            return h("tr", {"data-key": id},
              h("td", {}, h("input", {type: "checkbox", "data-run": id, checked: chosen.has(id), "aria-label": `compare ${run.run}`})),
              h("th", {scope: "row"}, h("a", {class: "name", href: `#/runs/${run.store}/${encodeURIComponent(run.run)}`}, run.run)),
              h("td", {}, stateBadge(run.state), run.message && h("p", {class: "reason small"}, run.message)),
              h("td", {}, strip(run.steps)), h("td", {class: "long"}, run.pipeline), h("td", {class: "long"}, run.experiment),
              h("td", {class: "when", title: clock(run.created)}, ago(run.created)),
              h("td", {class: "number"}, run.state === "running" ? seconds((Date.now() - Date.parse(run.begun)) / 1000) : seconds(run.seconds)));
          })))),
      ]);
  };
  place.addEventListener("input", event => {
    if (event.target.id !== "filter") return;
    words = event.target.value.toLowerCase();
    render();
  });
  place.addEventListener("change", event => {
    const id = event.target.dataset.run;
    if (!id) return;
    if (event.target.checked) chosen.add(id);
    else chosen.delete(id);
    render();
  });
  live("runs", signal, fresh => { data = fresh; render(); }, fresh => fresh.runs.some(run => run.state === "running") ? 2000 : 5000,
       error => show(place, problem("The runs cannot be had", error.message)));
}
