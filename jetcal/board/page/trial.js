// SPDX-License-Identifier: Apache-2.0
// One trial: values, course, log, command.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, clock, count, number, seconds, value} from "./format.js";
import {axis, chart} from "./charts.js";
import {crumbs, facts, logView, problem, stateBadge} from "./parts.js";

function courseTable(trial) {
  return h("details", {}, h("summary", {}, "As a table"), h("div", {class: "scroll"}, h("table", {class: "plain narrow"}, h("caption", {class: "unseen"}, "Intermediate values"),
    h("thead", {}, h("tr", {}, h("th", {scope: "col", class: "number"}, "Work"), trial.objective_names.map(name => h("th", {scope: "col", class: "number"}, name)))),
    h("tbody", {}, trial.course.slice(-500).map(one => h("tr", {}, h("th", {scope: "row", class: "number"}, one.resource), one.objectives.map(item => h("td", {class: "number"}, number(item)))))))));
}

export function mount(place, parameters, signal, title) {
  const {study, trial: id} = parameters, address = `studies/${study}/trials/${encodeURIComponent(id)}`;
  let data = null, picked = null, log = null, course = null, drawn = "";
  const growing = () => data && data.state === "running";
  const slot = view => view && (view.isConnected ? h(view.nodeName, {class: view.className, "data-own": "", "data-key": view.getAttribute("data-key")}) : view);
  const logOf = trial => {
    const wish = picked && trial.logs.includes(picked) ? picked : trial.logs.find(name => name.endsWith("-errors.log") === Boolean(trial.error)) || trial.logs[0];
    if (!wish) return null;
    if (!log || log.name !== wish) {
      if (log) log.controller.abort();
      const controller = new AbortController();
      signal.addEventListener("abort", () => controller.abort());
      log = {name: wish, controller, view: logView(`Log ${wish}`, `${address}/log?name=${encodeURIComponent(wish)}`, controller.signal, growing)};
      log.view.setAttribute("data-key", "log-" + wish);
    }
    return log.view;
  };
  const courseOf = trial => {
    if (!trial.course.length) return null;
    course ||= chart({label: "Course", height: 280, signal,
      build: colors => ({tooltip: {trigger: "axis", valueFormatter: one => number(one)}, legend: trial.objective_names.length > 1 ? {} : undefined, xAxis: axis(colors, {name: "units of work", type: "value"}), yAxis: axis(colors, {scale: true}),
        series: data.objective_names.map((name, k) => ({name, type: "line", symbolSize: 5, data: data.course.map(one => [one.resource, one.objectives[k]])}))}),
      describe: () => `${count(data.course.length, "report")} of ${data.objective_names.join(" and ")}; the last is ${number(data.course.at(-1).objectives[0])}.`});
    course.view.setAttribute("data-key", "course");
    const state = `${trial.course.length}`;
    if (drawn && drawn !== state) course.update();
    drawn = state;
    return course.view;
  };
  const render = () => {
    const trial = data, number_ = trial.number;
    title(`Trial ${number_} of ${trial.study}`);
    const step = (n, text) => n >= 0 && n < trial.count ? h("a", {class: "button", href: `#/studies/${study}/trials/${n}`}, text) : null;
    show(place,
      crumbs(["Overview", "#/"], ["Studies", "#/studies"], [trial.study, `#/studies/${study}`], [`Trial ${number_}`]),
      h("div", {class: "heading"}, h("h1", {}, `Trial ${number_}`), stateBadge(trial.state), h("span", {class: "push"}), step(number_ - 1, "Previous"), step(number_ + 1, "Next")),
      trial.error && (trial.state === "failed" ? problem("It failed", trial.error) : h("div", {class: "note"}, h("p", {class: "reason"}, trial.error))),
      h("div", {class: "two"},
        h("div", {class: "stack"},
          h("section", {class: "card", "aria-label": "Course"}, trial.course.length ? [slot(courseOf(trial)), courseTable(trial)] : h("p", {class: "remark"}, "It has told no intermediate value.")),
          h("section", {class: "card", "aria-labelledby": "log-title"}, h("div", {class: "heading"}, h("h2", {id: "log-title"}, "Log"),
            trial.logs.length > 1 && h("select", {id: "log-pick", "aria-label": "Which log", "data-own": ""}, trial.logs.map(name => h("option", {value: name, selected: log ? log.name === name : false}, name)))),
            slot(logOf(trial)) || h("p", {class: "remark"}, `There is no log in ${trial.folder}.`)),
          h("section", {class: "card", "aria-labelledby": "command-title"}, h("h2", {id: "command-title"}, "Command"),
            trial.commands.length ? trial.commands.map(one => [h("h3", {}, one.step), h("pre", {class: "command"}, one.text)])
              : h("p", {class: "remark"}, trial.attempts ? "It was started before jetcal noted commands, or its folder is gone." : "No process was started for it."),
            trial.config && h("details", {}, h("summary", {}, "Configuration"), h("pre", {class: "command"}, trial.config)))),
        h("div", {class: "stack"},
          h("section", {class: "card", "aria-labelledby": "result-title"}, h("h2", {id: "result-title"}, "Result"),
            facts([...trial.objective_names.map((name, k) => [name, trial.objectives[k] === undefined ? "–" : number(trial.objectives[k], 8)]),
                   ...Object.entries(trial.metrics).filter(([name]) => !trial.objective_names.includes(name)).map(([name, one]) => [name, number(one, 8)]),
                   ...trial.constraints.map((one, k) => [`Constraint ${k + 1}`, one <= 0 ? "kept" : `missed by ${number(one)}`])])),
          h("section", {class: "card", "aria-labelledby": "values-title"}, h("h2", {id: "values-title"}, "Parameters"), facts(Object.entries(trial.values).map(([name, one]) => [name, value(one)]))),
          h("section", {class: "card", "aria-labelledby": "work-title"}, h("h2", {id: "work-title"}, "Work"), facts([
            ["Began", trial.started ? `${clock(trial.started)} (${ago(trial.started)})` : ""], ["Ended", trial.ended ? clock(trial.ended) : ""], ["Took", trial.seconds ? seconds(trial.seconds) : ""],
            ["Units of work", trial.resource || ""], ["Budget", trial.budget || ""], ["Processes", trial.attempts], ["Failures", trial.failures || ""], ["Tuner", trial.tuner || ""],
            ["Machine", trial.host ? `${trial.host}, process ${trial.pid}` : ""], ["Folder", trial.folder]])),
          h("section", {class: "card", "aria-labelledby": "life-title"}, h("h2", {id: "life-title"}, "Life"), h("ol", {class: "events"}, trial.events.slice(-60).map(one =>
            h("li", {}, h("span", {class: "when"}, clock(one.time)), h("strong", {}, one.what), one.detail && h("span", {class: "long"}, one.detail))))))));
  };
  place.addEventListener("change", event => {
    if (event.target.id !== "log-pick") return;
    picked = event.target.value;
    render();
  });
  live(address, signal, fresh => { data = fresh; render(); }, fresh => fresh.state === "running" ? 1000 : 6000, error => show(place, problem("This trial cannot be had", error.message)));
}
