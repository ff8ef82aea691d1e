// SPDX-License-Identifier: Apache-2.0
// Charts of a study. Each function gives {view, update}.
import {h, show} from "./dom.js";
import {count, number, value} from "./format.js";
import {axis, chart, ofState} from "./charts.js";

const MANY_LINES = 1500;

// Trials as the charts want them.
function read(study) {
  const {fields, rows} = study.data(), summary = study.summary();
  const at = kind => fields.map((field, i) => field.kind === kind ? i : -1).filter(i => i >= 0);
  const objectives = at("objective"), parameters = at("parameter").map(i => ({...fields[i], at: i}));
  const counted = rows.filter(row => row[1] === "complete" && row[objectives[0]] !== null);
  const varied = parameters.filter(p => new Set(counted.map(row => row[p.at])).size > 1);
  const resource = fields.findIndex(field => field.name === "resource" && field.kind === "number");
  return {rows, counted, parameters, varied, objectives, resource, metric: summary.objectives[0].metric, more: summary.objectives[0].goal === "maximise", summary};
}

const open = study => event => { const trial = event.data && (event.data.trial ?? (Array.isArray(event.data) ? event.data.at(-1) : undefined)); if (trial !== undefined) location.hash = `#/studies/${study.id}/trials/${trial}`; };
const better = more => (a, b) => more ? a > b : a < b;
const shorter = value => number(value, 4);
const few = list => list.length < 2 ? "Fewer than two trials are complete so far." : "";

function best(list, objective, more) {
  return list.reduce((top, row) => top === null || better(more)(row[objective], top[objective]) ? row : top, null);
}

// Far outliers make the rest flat: the axis ends where nine tenths of the trials do, unless that hides nothing.
function reach(values, more) {
  const sorted = [...values].sort((a, b) => a - b), at = q => sorted[Math.floor(q * (sorted.length - 1))];
  if (sorted.length < 6) return {};
  const inner = at(0.9) - at(0.1);
  if (!more && at(1) > at(0.9) + 3 * inner) return {max: at(0.9) + 1.5 * inner};
  return more && at(0) < at(0.1) - 3 * inner ? {min: at(0.1) - 1.5 * inner} : {};
}

export function history(study) {
  const build = byCost => colors => {
    const {rows, counted, objectives, metric, more, resource} = read(study), points = [], line = [];
    let top = null, cost = 0;
    for (const row of rows) {
      cost += byCost ? row[resource] || 0 : 0;
      if (row[1] !== "complete" || row[objectives[0]] === null) continue;
      const x = byCost ? cost : row[0], y = row[objectives[0]];
      points.push({value: [x, y], trial: row[0]});
      if (top === null || better(more)(y, top)) top = y;
      line.push([x, top]);
    }
    return {legend: {}, tooltip: {formatter: p => p.data.trial === undefined ? `best so far\n${shorter(p.value[1])}` : `trial ${p.data.trial}\n${metric} ${shorter(p.value[1])}`},
      xAxis: axis(colors, {name: byCost ? "work spent on all trials" : "trial"}), yAxis: axis(colors, {name: metric, nameGap: 52, scale: true, ...reach(counted.map(row => row[objectives[0]]), more)}),
      dataZoom: [{type: "inside"}], series: [
        {name: "trials", type: "scatter", symbolSize: points.length > 1000 ? 4 : 7, itemStyle: {color: colors.accent, opacity: 0.55}, data: points, large: false},
        {name: "best so far", type: "line", step: "end", showSymbol: false, lineStyle: {width: 2.5, color: colors.series[1]}, itemStyle: {color: colors.series[1]}, data: line}]};
  };
  const describe = () => {
    const {counted, objectives, metric, more} = read(study), top = best(counted, objectives[0], more);
    return few(counted) || `${count(counted.length, "trial")} complete; best ${metric} ${number(top[objectives[0]])} in trial ${top[0]}.`;
  };
  const charts = [chart({label: "Results in the order of the trials", build: build(false), describe, onClick: open(study), signal: study.signal, height: 380}),
                  ...(study.summary().resource ? [chart({label: "Results against the work spent", build: build(true), describe, onClick: open(study), signal: study.signal, height: 380})] : [])];
  return {view: h("section", {class: "card grid", "aria-label": "History"}, charts.map(one => one.view)), update: () => charts.forEach(one => one.update())};
}

export function parallel(study) {
  const chosen = h("p", {class: "remark", role: "status"}, "Drag along an axis to choose trials.");
  let shown = [];
  const one = chart({label: "Parallel coordinates", height: 460, signal: study.signal,
    build: colors => {
      const {counted, varied, objectives, metric, more} = read(study);
      const step = Math.max(1, Math.ceil(counted.length / MANY_LINES));
      shown = counted.filter((_, i) => i % step === 0);
      const sorted = shown.map(row => row[objectives[0]]).sort((a, b) => a - b), part = q => sorted[Math.floor(q * (sorted.length - 1))];
      const text = {nameTextStyle: {color: colors["ink-soft"]}, axisLabel: {color: colors.ink, textBorderColor: colors.surface, textBorderWidth: 3}, axisLine: {lineStyle: {color: colors.held}}, nameTruncate: {maxWidth: 110}};
      const axes = varied.map((p, i) => p.choices ? {dim: i, name: p.name, type: "category", data: p.choices, ...text} : {dim: i, name: p.name, type: p.log ? "log" : "value", scale: true, ...text});
      axes.push({dim: varied.length, name: metric, type: "value", scale: true, inverse: !more, nameLocation: more ? "end" : "start", ...text});
      const low = more ? part(0.05) : part(0), high = more ? part(1) : part(0.95);
      return {parallel: {left: 48, right: 150, top: 46, bottom: 24}, parallelAxis: axes,
        visualMap: {dimension: varied.length, min: low, max: high, calculable: true, right: 0, top: "middle", precision: 4, textStyle: {color: colors["ink-soft"]}, formatter: shorter,
                    inRange: {color: more ? [colors.line, colors.accent] : [colors.accent, colors.line]}},
        series: [{type: "parallel", smooth: 0.08, lineStyle: {width: 1.3, opacity: Math.max(0.12, Math.min(0.75, 120 / shown.length))}, progressive: 500, inactiveOpacity: 0.02,
                  data: shown.map(row => [...varied.map(p => row[p.at] === null ? null : p.choices ? String(row[p.at]) : row[p.at]), row[objectives[0]]])}]};
    },
    describe: () => { const {counted, varied} = read(study); return few(counted) || `${count(shown.length || counted.length, "complete trial")}${shown.length < counted.length ? ` of ${counted.length}` : ""}, ${count(varied.length, "parameter")} that vary.`; },
    onReady: drawn => drawn.on("axisareaselected", () => {
      const {objectives, metric, more} = read(study);
      const rows = drawn.getModel().getSeriesByIndex(0).getRawIndicesByActiveState("active").map(i => shown[i]).filter(Boolean);
      if (!rows.length || rows.length === shown.length) { show(chosen, "Drag along an axis to choose trials."); return; }
      const top = best(rows, objectives[0], more);
      show(chosen, `${count(rows.length, "trial")} chosen; the best is `, h("a", {href: `#/studies/${study.id}/trials/${top[0]}`}, `trial ${top[0]}`), ` with ${metric} ${number(top[objectives[0]])}.`);
    })});
  return {view: h("section", {class: "card", "aria-label": "Parallel coordinates"}, one.view, chosen), update: one.update};
}

export function slices(study) {
  const {varied} = read(study);
  const charts = varied.map(p => chart({label: p.name, height: 250, signal: study.signal, onClick: open(study),
    build: colors => {
      const {counted, objectives, metric, more} = read(study);
      const points = counted.filter(row => row[p.at] !== null).map(row => [p.choices ? String(row[p.at]) : row[p.at], row[objectives[0]], row[0]]);
      return {tooltip: {formatter: q => `trial ${q.value[2]}\n${p.name} ${value(q.value[0])}\n${metric} ${shorter(q.value[1])}`},
        xAxis: axis(colors, p.choices ? {type: "category", data: p.choices} : {type: p.log ? "log" : "value", scale: true}),
        yAxis: axis(colors, {scale: true, name: metric, nameGap: 46, ...reach(counted.map(row => row[objectives[0]]), more)}),
        visualMap: {show: false, dimension: 2, min: 0, max: Math.max(1, ...counted.map(row => row[0])), inRange: {color: colors.dark ? ["#35566a", "#9fe0f5"] : ["#b9d6e2", "#0d4257"]}},
        series: [{type: "scatter", symbolSize: points.length > 1000 ? 4 : 7, itemStyle: {opacity: 0.75}, data: points}]};
    }}));
  return {view: h("section", {class: "card", "aria-label": "Slices"}, charts.length ? [h("p", {class: "remark"}, "One parameter a chart, against the objective. Stronger color: later trials."), h("div", {class: "grid small-grid"}, charts.map(one => one.view))]
                    : h("p", {}, "No parameter varies among complete trials yet.")), update: () => charts.forEach(one => one.update())};
}

export function importance(study) {
  const place = h("div", {}, h("p", {class: "loading"}, "Working out what the parameters are worth; thousands of trials take a few seconds."));
  const load = async () => {
    const found = await study.get("importance").catch(error => ({reason: error.message}));
    if (study.signal.aborted) return;
    if (found.reason) { show(place, h("p", {class: "note"}, found.reason)); return; }
    const names = Object.keys(found.fanova).sort((a, b) => found.fanova[a] - found.fanova[b]);
    const bars = chart({label: "Importance of the parameters", height: 110 + 40 * names.length, signal: study.signal,
      build: colors => ({legend: {}, tooltip: {trigger: "axis", valueFormatter: shorter}, xAxis: axis(colors, {name: "share"}),
        yAxis: axis(colors, {type: "category", data: names, axisLabel: {color: colors.ink, width: 180, overflow: "truncate"}}),
        series: [{name: "fANOVA: of the variance", type: "bar", barMaxWidth: 14, data: names.map(name => found.fanova[name])},
                 {name: "PED-ANOVA: of what sets the best tenth apart", type: "bar", barMaxWidth: 14, data: names.map(name => found.ped_anova[name] || 0)}]}),
      describe: () => `Of ${count(found.counted, "trial")}${found.counted < found.with_result ? `, evenly chosen of ${found.with_result}` : ""}. The forest explains ${found.out_of_bag > 0 ? Math.round(100 * found.out_of_bag) + " %" : "nothing"} of the variance of trials that it has not seen${found.out_of_bag > 0.3 ? "" : ", so these numbers say little"}.`});
    const rows = [...names].reverse();
    place.replaceChildren(bars.view, h("table", {class: "plain narrow"}, h("caption", {class: "unseen"}, "Importance"),
      h("thead", {}, h("tr", {}, ["Parameter", "fANOVA", "PED-ANOVA"].map((name, i) => h("th", {scope: "col", class: i ? "number" : null}, name)))),
      h("tbody", {}, rows.map(name => h("tr", {}, h("th", {scope: "row", class: "long"}, name), h("td", {class: "number"}, found.fanova[name].toFixed(3)), h("td", {class: "number"}, (found.ped_anova[name] || 0).toFixed(3)))),
        found.pairs.slice(0, 5).map(pair => h("tr", {}, h("th", {scope: "row", class: "long"}, pair.name), h("td", {class: "number"}, pair.value.toFixed(3)), h("td", {}))))));
  };
  load();
  return {view: h("section", {class: "card", "aria-label": "Importance"}, place)};
}

export function curves(study) {
  let found = {trials: [], shown: 0, total: 0};
  const one = chart({label: "Values while the trials ran", height: 420, signal: study.signal,
    onClick: event => { const trial = found.trials[event.seriesIndex]; if (trial) location.hash = `#/studies/${study.id}/trials/${trial.trial}`; },
    build: colors => {
      const {metric, more} = read(study), ends = found.trials.flatMap(trial => trial.points.map(point => point[1])).filter(Number.isFinite);
      return {tooltip: {formatter: p => `trial ${p.seriesName}, ${found.trials[p.seriesIndex].state}\nat ${p.value[0]}: ${shorter(p.value[1])}`},
        xAxis: axis(colors, {name: "units of work", type: "value", scale: true, minInterval: 1}), yAxis: axis(colors, {name: metric, nameGap: 52, scale: true, ...reach(ends, more)}),
        dataZoom: [{type: "inside"}], series: found.trials.map(trial => ({name: String(trial.trial), type: "line", triggerLineEvent: true, showSymbol: trial.points.length === 1, symbolSize: 4, data: trial.points,
          lineStyle: {width: trial.state === "running" ? 2.2 : 1.1, opacity: trial.state === "running" ? 1 : 0.5, type: trial.state === "stopped" ? "dashed" : "solid", color: ofState(colors, trial.state)},
          itemStyle: {color: ofState(colors, trial.state)}, emphasis: {lineStyle: {width: 3, opacity: 1}}}))};
    },
    describe: () => found.total ? `${found.shown} of ${count(found.total, "trial")} with intermediate values: those at work (bold), the best, and some of the others. Dashed: stopped early.` : "No trial has told intermediate values."});
  const load = async () => { found = await study.get("curves").catch(() => found); if (!study.signal.aborted) one.update(); };
  load();
  return {view: h("section", {class: "card", "aria-label": "Curves"}, one.view), update: load};
}

export function workers(study) {
  let found = {spans: [], total: 0}, lanes = [];
  const height = h("div");
  const one = chart({label: "Who worked on what when", height: 420, signal: study.signal, onClick: open(study),
    build: colors => {
      const spans = found.spans, start = Math.min(...spans.map(span => span.begin));
      lanes = [];
      const bars = spans.map(span => {
        let lane = lanes.findIndex(one => one.worker === span.worker && one.free <= span.begin);
        if (lane < 0) lane = lanes.push({worker: span.worker, free: 0}) - 1;
        const end = span.outcome === "running" ? Math.max(span.end, Date.now() / 1000) : span.end;
        lanes[lane].free = end;
        return {value: [lane, span.begin - start, end - start], trial: span.trial, outcome: span.outcome, itemStyle: {color: ofState(colors, span.outcome)}};
      });
      return {tooltip: {formatter: p => `trial ${p.data.trial}: ${p.data.outcome}\n${shorter(p.value[2] - p.value[1])} s`}, xAxis: axis(colors, {name: "seconds since the first trial began"}), dataZoom: [{type: "inside"}],
        yAxis: axis(colors, {type: "category", inverse: true, data: lanes.map((lane, i) => lanes.findIndex(one => one.worker === lane.worker) === i ? lane.worker : " ".repeat(i + 1)), splitLine: {show: false}}),
        series: [{type: "custom", encode: {x: [1, 2], y: 0}, data: bars, renderItem: (_, api) => {
          const from = api.coord([api.value(1), api.value(0)]), to = api.coord([api.value(2), api.value(0)]), tall = Math.min(22, api.size([0, 1])[1] * 0.7);
          return {type: "rect", shape: {x: from[0], y: from[1] - tall / 2, width: Math.max(1.5, to[0] - from[0] - 1), height: tall, r: 2}, style: {fill: api.visual("color")}};
        }}]};
    },
    describe: () => found.total ? `${count(found.total, "stretch", "stretches")} of work${found.spans.length < found.total ? `, the newest ${found.spans.length} shown` : ""}, by ${count(new Set(found.spans.map(span => span.worker)).size, "tuner")}.` : "The study does not say who worked when."});
  const load = async () => { found = await study.get("workers").catch(() => found); if (!study.signal.aborted) one.update(); };
  load();
  return {view: h("section", {class: "card", "aria-label": "Workers"}, one.view, height), update: load};
}

export function front(study) {
  const one = chart({label: "Two objectives", height: 460, signal: study.signal, onClick: open(study),
    build: colors => {
      const {counted, objectives, summary} = read(study), onFront = new Set(summary.front || []);
      const point = row => ({value: [row[objectives[0]], row[objectives[1]]], trial: row[0]});
      const rows = counted.filter(row => row[objectives[1]] !== null), ahead = rows.filter(row => onFront.has(row[0])).sort((a, b) => a[objectives[0]] - b[objectives[0]]);
      const names = summary.objectives.map(one => one.metric);
      return {legend: {}, tooltip: {formatter: p => `trial ${p.data.trial}\n${names[0]} ${shorter(p.value[0])}\n${names[1]} ${shorter(p.value[1])}`},
        xAxis: axis(colors, {name: names[0], scale: true}), yAxis: axis(colors, {name: names[1], nameGap: 52, scale: true}), dataZoom: [{type: "inside"}],
        series: [{name: "trials", type: "scatter", symbolSize: 6, itemStyle: {color: colors.held, opacity: 0.5}, data: rows.map(point)},
                 {name: "not beaten in both", type: "line", symbolSize: 9, lineStyle: {color: colors.series[1], width: 2}, itemStyle: {color: colors.series[1]}, data: ahead.map(point)}]};
    },
    describe: () => { const {summary} = read(study); return `${count((summary.front || []).length, "trial")} that no other beats in both: ${(summary.front || []).slice(0, 12).join(", ")}${(summary.front || []).length > 12 ? ", …" : ""}.`; }});
  return {view: h("section", {class: "card", "aria-label": "Front"}, one.view), update: one.update};
}
