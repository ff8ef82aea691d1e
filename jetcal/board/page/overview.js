// SPDX-License-Identifier: Apache-2.0
// The first screen: what needs attention, what runs, what there is.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, clock, count, milliseconds, number, seconds} from "./format.js";
import {card, empty, problem, stateBadge, stateIcon, strip} from "./parts.js";

export const title = "Overview";
const MANY = 8;

function problemItem(one, key) {
  const where = one.href || "#/";
  return h("li", {class: "problem", "data-key": key},
    stateIcon(one.state),
    h("div", {class: "problem-text"},
      h("a", {href: where, class: "problem-title"}, one.title),
      h("p", {class: "reason"}, one.reason || "It says no reason."), one.last_words && h("pre", {class: "words"}, one.last_words)),
    h("span", {class: "when", title: clock(one.time)}, ago(one.time)));
}

function described(one) {
  if (one.kind === "run")
    return {...one, title: one.step ? `${one.step} in ${one.run}` : one.run,
            href: `#/runs/${one.store}/${encodeURIComponent(one.run)}${one.step ? "?step=" + encodeURIComponent(one.step) : ""}`};
  if (one.kind === "trial")
    return {...one, state: "failed", title: `${count(one.count, "trial")} of ${one.name}`,
            href: `#/studies/${one.study}/trials/${one.trial}`};
  if (one.kind === "study") return {...one, state: "damaged", title: one.name, href: `#/studies/${one.study}`};
  return {...one, title: one.name, href: "#/serving"};
}

function problemList(problems) {
  problems = [...problems].sort((a, b) => (milliseconds(b.time) || 0) - (milliseconds(a.time) || 0));
  const fresh = problems.filter(one => !one.since_fixed).map(described), old = problems.filter(one => one.since_fixed).map(described);
  const keyOf = one => [one.kind, one.run, one.step, one.study, one.reason].join("|");
  const list = rows => h("ul", {class: "problems"}, rows.map(one => problemItem(one, keyOf(one))));
  return [
    fresh.length ? list(fresh.slice(0, MANY)) : h("p", {class: "calm"}, stateIcon("finished"), "Nothing needs attention."),
    fresh.length > MANY && h("details", {}, h("summary", {}, `${fresh.length - MANY} more`), list(fresh.slice(MANY))),
    old.length > 0 && h("details", {class: "older"}, h("summary", {}, `${count(old.length, "earlier problem")}; the same pipeline has ended well since`), list(old)),
  ];
}

export function runTable(runs, caption) {
  return h("div", {class: "scroll"}, h("table", {class: "plain runs"}, h("caption", {class: "unseen"}, caption),
    h("thead", {}, h("tr", {}, ["Run", "State", "Steps", "Pipeline", "Began", "Took"].map(name => h("th", {scope: "col", class: name === "Took" ? "number" : null}, name)))),
    h("tbody", {}, runs.map(run => h("tr", {"data-key": run.store + run.run},
      h("th", {scope: "row"}, h("a", {href: `#/runs/${run.store}/${encodeURIComponent(run.run)}`, class: "name"}, run.run)),
      h("td", {}, stateBadge(run.state)),
      h("td", {}, strip(run.steps)),
      h("td", {class: "long"}, run.pipeline, run.experiment && h("span", {class: "tag"}, run.experiment)),
      h("td", {class: "when", title: clock(run.created)}, ago(run.created)),
      h("td", {class: "number"}, run.state === "running" ? seconds((Date.now() - Date.parse(run.begun)) / 1000) : seconds(run.seconds)))))));
}

function studyTable(studies) {
  return h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, "Studies"),
    h("thead", {}, h("tr", {}, ["Study", "Trials", "Best", "Work goes on"].map(name => h("th", {scope: "col", class: name === "Best" ? "number" : null}, name)))),
    h("tbody", {}, studies.slice(0, 12).map(one => h("tr", {"data-key": one.id},
      h("th", {scope: "row", class: "long"}, h("a", {href: `#/studies/${one.id}`, class: "name", title: one.path}, one.title || one.name)),
      h("td", {}, one.error ? h("span", {class: "reason"}, one.error) : trialCounts(one.trials, one.tuners)),
      h("td", {class: "number"}, one.best ? number(one.best.value) : "–"),
      h("td", {}, one.tuners ? stateBadge("running") : "no"))))));
}

/// A trial that no living tuner works on was cut off, whatever its study says.
export const trialCounts = (trials, tuners) => !trials ? "" : [`${trials.total}`, ...["running", "failed"].filter(state => trials[state])
  .map(state => `${trials[state]} ${state === "running" && !tuners ? "cut off" : state}`)].join(", ");

const KINDS = [["pipeline", "#/runs", "pipeline folder"], ["study", "#/studies", "study", "studies"], ["training", "#/trainings", "training"],
               ["model", "#/models", "model"], ["repository", "#/models", "served model"], ["report", "#/physics", "report"]];

function render(place, data) {
  const nothing = !data.num_runs && !Object.keys(data.counts).length && !(data.endpoints || []).length;
  const bad = data.problems.filter(one => !one.since_fixed).length;
  show(place,
    h("div", {class: "heading"}, h("h1", {}, "Overview"),
      h("p", {class: "remark"}, [data.host, data.num_running && count(data.num_running, "run") + " at work", bad && count(bad, "problem")].filter(Boolean).join(" · "))),
    nothing ? empty("Nothing to show yet", "The board looks for runs, studies, trainings, models and reports below the folders that it was started with, and goes on looking.",
                    "jetcal pipeline run\njetcal board .") : [
      card("Needs attention", {class: bad ? "card attention" : "card"}, problemList(data.problems)),
      data.runs.length > 0 && card("Runs", {}, runTable(data.runs.slice(0, 12), "The newest runs"),
        data.num_runs > 12 && h("p", {}, h("a", {href: "#/runs"}, `All ${data.num_runs} runs`))),
      (data.studies || []).length > 0 && card("Studies", {}, studyTable(data.studies)),
      card("On this board", {}, h("ul", {class: "tiles"}, KINDS.filter(([kind]) => data.counts[kind]).map(([kind, href, one, many]) =>
        h("li", {}, h("a", {href, class: "tile"}, h("strong", {}, data.counts[kind].toLocaleString("en")), h("span", {}, data.counts[kind] === 1 ? one : many || one + "s")))),
        (data.endpoints || []).map(one => h("li", {"data-key": one.url}, h("a", {href: "#/serving", class: "tile"},
          h("strong", {}, stateIcon(one.state)), h("span", {class: "long"}, one.url)))))),
    ],
    data.remarks.length > 0 && h("details", {class: "older"}, h("summary", {}, `${count(data.remarks.length, "remark")} about what was looked through`),
      h("ul", {}, data.remarks.map(one => h("li", {}, one)))),
    h("p", {class: "foot"}, `jetcal ${data.version} (${data.commit})${data.may_cancel ? "" : ", read-only"}. Charts: Apache ECharts.`));
}

export function mount(place, parameters, signal) {
  live("overview", signal, data => render(place, data), data => data.num_running ? 1500 : 4000,
       error => show(place, problem("The overview cannot be had", error.message)));
}
