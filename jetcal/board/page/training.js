// SPDX-License-Identifier: Apache-2.0
// One training: its losses as the epochs come.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, bytes, clock, count, number, seconds, shortName} from "./format.js";
import {axis, chart} from "./charts.js";
import {crumbs, facts, problem, stateBadge} from "./parts.js";

export function mount(place, parameters, signal, title) {
  let data = null, charts = null, state = "";
  const line = (label, names, unit, height = 300) => chart({label, height, signal, build: colors => ({legend: {}, tooltip: {trigger: "axis", valueFormatter: one => number(one)},
    xAxis: axis(colors, {name: "epoch", type: "value", minInterval: 1}), yAxis: axis(colors, {scale: true, name: unit, nameGap: 52}),
    series: names.filter(([, field]) => data.history.some(epoch => epoch[field])).map(([name, field]) => ({name, type: "line", symbolSize: 5, data: data.history.map(epoch => [epoch.epoch, epoch[field]])}))}),
    describe: () => { const last = data.history.at(-1); return `After ${count(data.history.length, "epoch")}: ` + names.filter(([, field]) => last[field]).map(([name, field]) => `${name} ${number(last[field])}`).join(", ") + "."; }});
  const render = () => {
    const one = data, test = one.test || {};
    title(shortName(one.name));
    if (one.history.length && !charts)
      charts = [line("Losses", [["training", "train_loss"], ["validation", "validation_loss"], ["of the weights", "raw_validation_loss"], ["of their average", "ema_validation_loss"]], "loss", 380),
                line("Learning rate", [["learning rate", "learning_rate"]], "", 240), line("Speed", [["jets a second", "jets_per_second"]], "", 240)];
    const slot = figure => figure.isConnected ? h("figure", {class: figure.className, "data-own": ""}) : figure;
    const left = one.history.length > 1 ? one.history.reduce((sum, epoch) => sum + epoch.seconds, 0) : 0;
    show(place, crumbs(["Overview", "#/"], ["Trainings", "#/trainings"], [shortName(one.name)]),
      h("div", {class: "heading"}, h("h1", {}, shortName(one.name)), stateBadge(one.state), h("span", {class: "remark"}, `${count(one.epochs, "epoch")}${left ? `, ${seconds(left)}` : ""}`)),
      h("div", {class: "two"}, h("section", {class: "card", "aria-label": "Course"}, charts ? [slot(charts[0].view), h("div", {class: "grid small-grid"}, slot(charts[1].view), slot(charts[2].view))] : h("p", {}, "No epoch has ended yet.")),
        h("div", {class: "stack"},
          h("section", {class: "card", "aria-labelledby": "result-title"}, h("h2", {id: "result-title"}, "Result"), facts([
            ["Best validation loss", one.best ? `${number(one.best.validation_loss, 8)} in epoch ${one.best.epoch}` : ""], ["Test loss", number(test.loss, 8)],
            ["Without correction", number(test.no_correction_loss, 8)], ["Best constant", number(test.best_constant_loss, 8)],
            ["Model", one.model ? h("a", {href: `#/models/model/${one.model}`}, "model.jetcal") : "not written yet"], ["Last epoch", one.history.length ? `${clock(one.history.at(-1).wall_time)} (${ago(one.history.at(-1).wall_time)})` : ""], ["Folder", one.path]])),
          h("section", {class: "card", "aria-labelledby": "files-title"}, h("h2", {id: "files-title"}, "Files"), facts(one.files.map(file => [file.name + (file.folder ? "/" : ""), file.folder ? "folder" : bytes(file.bytes)]))))),
      one.history.length > 0 && h("details", {}, h("summary", {}, "Epochs as a table"), h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, "Epochs"),
        h("thead", {}, h("tr", {}, ["Epoch", "Training loss", "Validation loss", "Learning rate", "Jets a second", "Took"].map(name => h("th", {scope: "col", class: "number"}, name)))),
        h("tbody", {}, one.history.map(epoch => h("tr", {"data-key": "e" + epoch.epoch}, h("th", {scope: "row", class: "number"}, epoch.epoch), [epoch.train_loss, epoch.validation_loss, epoch.learning_rate].map(item => h("td", {class: "number"}, number(item, 6))),
          h("td", {class: "number"}, Math.round(epoch.jets_per_second).toLocaleString("en")), h("td", {class: "number"}, seconds(epoch.seconds)))))))));
    if (charts && state !== `${one.history.length}`) { if (state) charts.forEach(figure => figure.update()); state = `${one.history.length}`; }
  };
  live(`trainings/${parameters.training}`, signal, fresh => { data = fresh; render(); }, fresh => fresh.state === "running" ? 1500 : 6000, error => show(place, problem("This training cannot be had", error.message)));
}
