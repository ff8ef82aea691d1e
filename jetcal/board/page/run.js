// SPDX-License-Identifier: Apache-2.0
// One run: its graph live, and the step that is chosen.
import {announce, h, show} from "./dom.js";
import {live, send} from "./api.js";
import {ago, bytes, clock, count, isHash, seconds, shortName, value} from "./format.js";
import {graphView} from "./graph.js";
import {crumbs, facts, logView, problem, stateBadge, stateIcon} from "./parts.js";

const ENDED = new Set(["finished", "cached", "kept", "skipped", "failed", "blocked", "cancelled", "left-out", "cut"]);
const since = time => (Date.now() - Date.parse(time)) / 1000;

function stepText(step, run) {
  if (!step) return run.state === "running" ? "waiting" : "not reached";
  if (step.state === "running") return `running, ${seconds(since(step.started))}`;
  if (step.state === "cached" || step.state === "kept") return step.made_by === run.run ? "cached" : `cached, from ${step.made_by}`;
  if (step.state === "finished") return `finished, ${seconds(step.seconds)}`;
  if (step.state === "retry") return `again soon, ${step.attempt} so far`;
  return step.state;
}

// The worst state of the items of a fan-out, and how many of them are where.
function gathered(steps) {
  const order = ["failed", "cut", "running", "retry", "blocked", "cancelled", "finished", "cached", "kept", "skipped"];
  const state = order.find(one => steps.some(step => step.state === one)) || steps[0].state;
  const done = steps.filter(step => ENDED.has(step.state)).length;
  return {state, text: `${done} of ${count(steps.length, "item")}`};
}

function nodesOf(run, chosen, href) {
  const plan = run.graph ? run.graph.steps : run.steps.map(step => ({name: step.step, needs: []}));
  const seen = new Set();
  return plan.filter(step => !seen.has(step.name) && seen.add(step.name)).map(step => {
    const mine = run.steps.filter(one => one.step === step.name);
    const many = mine.length > 1 || (mine.length === 1 && mine[0].item >= 0);
    const sum = many ? gathered(mine) : {state: mine.length ? mine[0].state : "waiting", text: stepText(mine[0], run)};
    return {name: step.name, needs: step.needs, state: sum.state, text: sum.text, current: chosen && chosen.step === step.name,
            href: href(mine.length ? (mine.find(one => one.state === sum.state) || mine[0]).name : step.name)};
  });
}

function firstOf(run) {
  for (const state of ["failed", "cut", "running", "retry"]) {
    const found = run.steps.find(step => step.state === state);
    if (found) return found;
  }
  return run.steps[run.steps.length - 1];
}

const EXPLAINED = {
  cached: "Taken from the store: command, parameters, inputs and program are those of an earlier run.",
  kept: "Taken as it was, because it comes before --from.", skipped: "Not run.", blocked: "Not run, because something it needs failed.",
};

function outputList(step) {
  if (!step.outputs.length) return null;
  const link = one => {
    if (!one.shown) return isHash(one.value) ? h("code", {title: one.value}, one.value.slice(0, 12)) : value(one.value);
    const {kind, id} = one.shown;
    const href = {report: `#/physics/${id}`, study: `#/studies/${id}`, training: `#/trainings/${id}`}[kind] || `#/models/${kind}/${id}`;
    return h("a", {href}, kind, " ", h("code", {}, String(one.value).slice(0, 12)));
  };
  return h("div", {}, h("h3", {}, "Gave"), facts(step.outputs.map(one => [one.name, link(one)])));
}

function planText(plan) {
  if (!plan) return [];
  return [["Needs", plan.needs.join(", ")], ["When", plan.condition], ["Cores", plan.cores], ["Memory", plan.memory ? bytes(plan.memory) : ""], ["GPUs", plan.gpus || ""],
          ["Tries", plan.retries ? 1 + plan.retries : ""], ["Time limit", plan.time_limit ? seconds(plan.time_limit) : ""]];
}

function stepPanel(run, step, name, log) {
  const plan = run.graph && run.graph.steps.find(one => one.name === (step ? step.step : name));
  if (!step) {
    return h("section", {class: "card", id: "step", "aria-labelledby": "step-title"}, h("h2", {id: "step-title"}, name || "No step"), h("p", {}, stateBadge("waiting")),
      plan && plan.description && h("p", {}, plan.description), facts(planText(plan)), plan && h("pre", {class: "command"}, plan.command));
  }
  const bad = step.state === "failed" || step.state === "cut"; // its reason stands at the top of the page
  return h("section", {class: "card", id: "step", "aria-labelledby": "step-title"},
    h("div", {class: "heading"}, h("h2", {id: "step-title"}, step.name), stateBadge(step.state)),
    plan && plan.description && h("p", {class: "remark"}, plan.description),
    step.reason && !bad && h("div", {class: "note"}, h("p", {class: "reason"}, step.reason)),
    EXPLAINED[step.state] && !step.reason && h("p", {class: "note"}, EXPLAINED[step.state]),
    step.why.length > 0 && h("div", {}, h("h3", {}, "Why it ran"), h("ul", {class: "why"}, step.why.map(one => h("li", {}, shortName(one))))),
    h("div", {class: "columns"},
      h("div", {}, h("h3", {}, "When"), facts([
        ["Began", step.started && `${clock(step.started)} (${ago(step.started)})`],
        ["Took", step.state === "running" ? seconds(since(step.started)) : step.seconds ? seconds(step.seconds) : ""],
        ["Attempt", step.attempt || ""],
        ["Made by", step.made_by && step.made_by !== run.run ? h("a", {href: `#/runs/${run.store}/${encodeURIComponent(step.made_by)}?step=${encodeURIComponent(step.name)}`}, step.made_by) : ""],
        ["Key", step.key && h("code", {title: step.key}, step.key.slice(0, 12))], ...planText(plan)])),
      outputList(step)),
    plan && h("details", {}, h("summary", {}, "Command"), h("pre", {class: "command"}, plan.command), plan.service && [h("p", {}, "Beside it runs"), h("pre", {class: "command"}, plan.service)]),
    log && [h("h3", {}, "Log"), log]);
}

function stepTable(run, chosen, href) {
  return h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, "Steps in the order in which they came up"),
    h("thead", {}, h("tr", {}, ["Step", "State", "Took", "Reason"].map(name => h("th", {scope: "col", class: name === "Took" ? "number" : null}, name)))),
    h("tbody", {}, run.steps.map(step => h("tr", {"data-key": step.name, class: chosen && chosen.name === step.name ? "chosen" : null},
      h("th", {scope: "row"}, h("a", {class: "name", href: href(step.name)}, step.name)),
      h("td", {}, stateBadge(step.state)),
      h("td", {class: "number"}, step.state === "running" ? seconds(since(step.started)) : step.seconds ? seconds(step.seconds) : ""),
      h("td", {class: "long"}, step.reason || (step.state === "cached" ? `as in ${step.made_by}` : shortName(step.why.join("; ")))))))));
}

function heading(run) {
  const done = run.steps.filter(step => ENDED.has(step.state)).length, all = run.graph ? Math.max(run.graph.steps.length, run.steps.length) : run.steps.length;
  return [h("div", {class: "heading"}, h("h1", {class: "long"}, run.run), stateBadge(run.state),
      run.state === "running" && h("progress", {max: all, value: done, "aria-label": "Steps that have ended"}),
      h("span", {class: "remark"}, run.state === "running" ? `${done} of ${all} steps, ${seconds(since(run.begun))}` : seconds(run.seconds)),
      run.may_cancel && run.state === "running" && h("button", {type: "button", id: "cancel", class: "danger"}, "Cancel the run")),
    h("p", {class: "remark"}, [run.pipeline, run.experiment && `experiment ${run.experiment}`, `created ${clock(run.created)}`, run.goes > 1 && `${run.goes} goes`].filter(Boolean).join(" · "))];
}

function failures(run, href) {
  const bad = run.steps.filter(step => step.state === "failed" || step.state === "cut");
  if (!bad.length) return null;
  return h("div", {class: "alert", role: "alert"}, bad.slice(0, 5).map(step => h("div", {class: "alert-row"}, stateIcon(step.state),
    h("div", {}, h("a", {class: "alert-title", href: href(step.name)}, `${step.name} ${step.state === "cut" ? "was cut off" : "failed"}`),
      h("p", {class: "reason"}, step.reason || "The run was killed while this step ran."), step.last_words && h("pre", {class: "words"}, step.last_words)))),
    bad.length > 5 && h("p", {}, `and ${bad.length - 5} more`));
}

export function mount(place, parameters, signal, title) {
  const {store, run: id} = parameters;
  const address = `runs/${store}/${encodeURIComponent(id)}`;
  const href = step => `#/${address}?step=${encodeURIComponent(step)}`;
  let wanted = parameters.query.get("step"), data = null, log = null, asking = false, message = "";
  title(id);
  const chooseLog = step => {
    const name = step && step.log ? `${step.name}|${step.attempt}` : null;
    if (log && log.name === name) return log.view;
    if (log) log.controller.abort();
    log = null;
    if (!name) return null;
    const controller = new AbortController();
    signal.addEventListener("abort", () => controller.abort());
    const growing = () => { const now = data.steps.find(one => one.name === step.name); return now && now.state === "running"; };
    log = {name, controller, view: logView(`Log of ${step.name}`, `${address}/log?step=${encodeURIComponent(step.name)}`, controller.signal, growing)};
    log.view.setAttribute("data-key", name);
    return log.view;
  };
  const render = () => {
    const run = data;
    const step = wanted ? run.steps.find(one => one.name === wanted) : firstOf(run);
    const name = wanted || (step && step.name);
    // A view that is in the page already stands for itself.
    const view = chooseLog(step);
    const slot = view && (view.isConnected ? h("div", {class: "log-frame", "data-own": "", "data-key": log.name}) : view);
    show(place,
      crumbs(["Overview", "#/"], ["Runs", "#/runs"], [run.run]), heading(run),
      message && h("p", {class: "note", role: "status"}, message),
      failures(run, href) || (run.state === "damaged" || run.state === "cut" ? problem("This run did not end by itself", run.message || "It was killed; its journal just ends.") : null),
      h("section", {class: "card", "aria-labelledby": "graph-title"}, h("h2", {id: "graph-title"}, "Graph"),
        run.graph_error && h("p", {class: "note"}, run.graph_error),
        run.steps.length || run.graph ? graphView(nodesOf(run, step || {step: name}, href), "Steps of the run, from left to right") : h("p", {}, "No step has started yet.")),
      h("div", {class: "two"}, h("div", {class: "stack"}, stepPanel(run, step, name, slot)),
        h("div", {class: "stack"},
          h("section", {class: "card", "aria-labelledby": "steps-title"}, h("h2", {id: "steps-title"}, "Steps"), stepTable(run, step, href)),
          (Object.keys(run.parameters || {}).length > 0 || Object.keys(run.inputs || {}).length > 0) && h("section", {class: "card", "aria-labelledby": "parameters-title"}, h("h2", {id: "parameters-title"}, "Parameters"),
            facts(Object.entries(run.parameters || {}).map(([key, one]) => [key, value(one)])),
            Object.keys(run.inputs || {}).length > 0 && [h("h3", {}, "Inputs"), facts(Object.entries(run.inputs).map(([key, one]) => [key, value(one)]))]),
          h("section", {class: "card", "aria-labelledby": "again-title"}, h("h2", {id: "again-title"}, "Go on with it"),
            h("p", {class: "remark"}, "Finished steps are taken, the others run; --force STEP runs one again."), h("pre", {class: "command"}, run.resume)))));
  };
  place.addEventListener("click", async event => {
    if (event.target.id !== "cancel" || asking) return;
    if (!window.confirm(`Cancel ${id}? Steps that run get ten seconds to end.`)) return;
    asking = true;
    try {
      await send(`${address}/cancel`);
      message = "The run was asked to end.";
    } catch (error) {
      message = error.message;
    }
    asking = false;
    render();
  });
  live(address, signal, (fresh, changed) => {
    if (data && changed && fresh.state !== data.state) announce(`The run is ${fresh.state}`);
    data = fresh;
    render();
  }, fresh => fresh.state === "running" ? 700 : 4000, error => show(place, problem("This run cannot be had", error.message)));
  return query => { wanted = query.get("step"); if (data) render(); };
}
