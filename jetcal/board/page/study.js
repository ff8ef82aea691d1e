// SPDX-License-Identifier: Apache-2.0
// One study: its trials as a table, and the charts of what they found.
import {announce, h, show} from "./dom.js";
import {get, live} from "./api.js";
import {clock, count, number, seconds, value} from "./format.js";
import {crumbs, facts, problem, stateBadge, stateIcon} from "./parts.js";
import {DataTable, save} from "./table.js";
import * as views from "./study_charts.js";

const VIEWS = [["trials", "Trials"], ["history", "History"], ["parallel", "Parallel coordinates"], ["slices", "Slices"], ["importance", "Importance"],
               ["curves", "Curves"], ["workers", "Workers"], ["front", "Front"]];

const MANY_ERRORS = 4;

function errorList(study) {
  const errors = study.errors, failed = study.trials.failed;
  if (!errors.length) return null;
  const row = one => h("div", {class: "alert-row"}, stateIcon("failed"), h("div", {},
    h("a", {class: "alert-title", href: `#/studies/${study.id}/trials/${one.trial}`}, one.count === 1 ? `Trial ${one.trial} failed` : `${count(one.count, "trial")} failed, the last is ${one.trial}`),
    h("p", {class: "reason"}, one.reason || "It says no reason.")));
  return h("div", {class: "alert", role: "group", "aria-label": "Failed trials"}, errors.length > 1 && h("p", {class: "alert-title"}, `${count(failed, "trial")} failed`),
    errors.slice(0, MANY_ERRORS).map(row), errors.length > MANY_ERRORS && h("details", {}, h("summary", {}, `${errors.length - MANY_ERRORS} more reasons`), errors.slice(MANY_ERRORS).map(row)));
}

function columnsOf(fields) {
  return fields.map(field => {
    const numeric = ["objective", "last", "metric", "number", "seconds", "time"].includes(field.kind) || (field.kind === "parameter" && !field.choices) || field.kind === "trial";
    const column = {name: field.name, number: numeric, text: value};
    if (field.kind === "state") Object.assign(column, {show: stateBadge, width: 13});
    if (field.kind === "seconds") column.text = seconds;
    if (field.kind === "time") column.text = clock;
    return column;
  });
}

class TrialTable {
  constructor(id, data) {
    this.chosen = new Set();
    const objective = data.fields.findIndex(field => field.kind === "objective");
    this.table = new DataTable({label: "Trials", columns: columnsOf(data.fields), href: row => `#/studies/${id}/trials/${row.cells[0]}`, keyOf: row => row.cells[0], chosen: this.chosen,
                                sort: {at: objective, down: Boolean(data.fields[objective].maximise)}, onChange: () => this.say()});
    this.input = h("input", {type: "search", id: "filter", autocomplete: "off", placeholder: "words, or conditions: state=failed lr<0.01"});
    this.counter = h("span", {class: "remark", id: "counter"});
    this.compare = h("a", {class: "button", href: "#/"}, "");
    const columns = h("details", {class: "menu"}, h("summary", {class: "button"}, "Columns"), h("div", {class: "menu-body"}, data.fields.slice(1).map((field, i) =>
      h("label", {}, h("input", {type: "checkbox", checked: true, "data-at": i + 1}), " ", field.name))));
    columns.addEventListener("change", event => this.table.setHidden(Number(event.target.dataset.at), !event.target.checked));
    const csv = h("button", {type: "button", id: "csv"}, "Save as CSV");
    csv.addEventListener("click", () => save("trials.csv", this.table.csv(), "text/csv"));
    let timer = 0;
    this.input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.table.setFilter(this.input.value), 60);
    });
    this.view = h("section", {class: "card", "aria-label": "Trials", "data-own": "", "data-key": "trials"},
      h("div", {class: "tools"}, h("label", {for: "filter"}, "Only "), this.input, this.counter, h("span", {class: "push"}), this.compare, columns, csv), this.table.view);
    this.id = id;
    this.update(data);
  }
  update(data) { this.table.setRows(data.rows); }
  say() {
    const {seen, rows} = this.table;
    this.counter.textContent = seen.length === rows.length ? count(rows.length, "trial") : `${seen.length.toLocaleString("en")} of ${count(rows.length, "trial")}`;
    const ids = [...this.chosen].sort((a, b) => a - b);
    this.compare.hidden = ids.length < 2;
    this.compare.textContent = `Compare ${ids.length} trials`;
    this.compare.setAttribute("href", `#/studies/${this.id}/compare?trials=${ids.join(",")}`);
  }
}

function limitsText(limits) {
  const names = {trials: "trials", resource: "units of work", failed_trials: "failed trials", hours: "hours", goal: "goal"};
  return Object.entries(limits).filter(([, limit]) => limit).map(([name, limit]) => name === "goal" ? `goal ${number(limit)}` : `${number(limit)} ${names[name] || name}`).join(", ") || "none";
}

function header(study) {
  const objective = study.objectives[0], best = study.best;
  return [h("div", {class: "heading"}, h("h1", {}, study.name), study.tuners.length > 0 && stateBadge("running"),
      h("span", {class: "remark"}, `${study.algorithm}, seed ${study.seed}${study.tuners.length ? `; ${count(study.tuners.length, "tuner")} at work` : ""}`)),
    h("ul", {class: "tiles", "aria-label": "In numbers"},
      h("li", {class: "tile"}, h("strong", {}, study.trials.total.toLocaleString("en")), h("span", {}, "trials")),
      ["complete", "running", "stopped", "paused", "waiting", "failed"].filter(state => study.trials[state]).map(state =>
        h("li", {class: "tile"}, h("strong", {}, study.trials[state].toLocaleString("en")), stateBadge(state === "running" && !study.tuners.length ? "cut" : state))),
      best && h("li", {}, h("a", {class: "tile", href: `#/studies/${study.id}/trials/${best.trial}`}, h("strong", {}, number(best.value)), h("span", {}, `best ${objective.metric}, trial ${best.trial}${best.feasible ? "" : ", beyond a constraint"}`))),
      study.resource > 0 && h("li", {class: "tile"}, h("strong", {}, study.resource.toLocaleString("en")), h("span", {}, "units of work, such as epochs")))];
}

export function mount(place, parameters, signal, title) {
  const id = parameters.study, address = `studies/${id}`;
  let view = parameters.query.get("view") || "trials", summary = null, data = null, table = null, panel = null, asked = "";
  const views_ = () => VIEWS.filter(([name]) => name !== "front" || summary.objectives.length > 1);
  const render = () => {
    if (!summary || !data) return;
    title(summary.name);
    if (!panel || panel.name !== view) {
      if (panel) panel.controller.abort();
      const controller = new AbortController();
      signal.addEventListener("abort", () => controller.abort());
      panel = {name: view, controller};
      if (view === "trials") {
        table ||= new TrialTable(id, data);
        panel.view = table.view;
      } else {
        const make = views[view] || views.history;
        Object.assign(panel, make({id, summary: () => summary, data: () => data, signal: controller.signal, get: what => get(`${address}/${what}`, controller.signal)}));
        panel.view.setAttribute("data-own", "");
        panel.view.setAttribute("data-key", view);
      }
    }
    const kept = panel.view.isConnected ? h(panel.view.nodeName, {class: panel.view.className, "aria-label": panel.view.getAttribute("aria-label"), "data-own": "", "data-key": view}) : panel.view;
    show(place, crumbs(["Overview", "#/"], ["Studies", "#/studies"], [summary.name]), header(summary), errorList(summary),
      h("nav", {class: "tabs", "aria-label": "Views of the study"}, views_().map(([name, text]) =>
        h("a", {href: `#/studies/${id}?view=${name}`, "aria-current": name === view ? "true" : null}, text))),
      kept,
      h("details", {class: "older"}, h("summary", {}, "About this study"), facts([["File", summary.path], ["Created", clock(summary.created)],
        ["Objectives", summary.objectives.map(one => `${one.metric}, ${one.goal === "maximise" ? "more" : "less"} is better`).join("; ")],
        ["Constraints", (summary.constraints || []).map(one => `${one.metric} ${one.at_most === undefined ? `at least ${number(one.at_least)}` : `at most ${number(one.at_most)}`}`).join("; ")],
        ["Early stopping", summary.early_stopping], ["Limits", limitsText(summary.limits || {})],
        ["Tuners", summary.tuners.map(one => `${one.host}, process ${one.pid}`).join("; ")]])));
  };
  live(address, signal, async fresh => {
    const before = summary;
    summary = fresh;
    const state = JSON.stringify([fresh.trials, fresh.resource, fresh.best]);
    if (state !== asked) {
      asked = state;
      try {
        data = await get(`${address}/trials`, signal);
      } catch (error) {
        if (!signal.aborted) asked = "";
        return;
      }
      if (signal.aborted) return;
      if (table && before) table.update(data);
      if (panel && panel.update) panel.update();
      if (before && before.trials.complete !== fresh.trials.complete) announce(`${fresh.trials.complete} trials are complete`);
    }
    render();
  }, fresh => fresh.tuners.length ? 1500 : 5000, error => show(place, problem("This study cannot be had", error.message)));
  return query => { view = query.get("view") || "trials"; render(); };
}
