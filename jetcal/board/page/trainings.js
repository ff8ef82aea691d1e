// SPDX-License-Identifier: Apache-2.0
// All trainings.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, clock, count, number, shortName} from "./format.js";
import {crumbs, empty, problem, stateBadge} from "./parts.js";

export const title = "Trainings";

export function mount(place, parameters, signal) {
  live("trainings", signal, ({trainings}) => show(place,
    crumbs(["Overview", "#/"], ["Trainings"]),
    h("div", {class: "heading"}, h("h1", {}, "Trainings"), h("p", {class: "remark"}, count(trainings.length, "training"))),
    trainings.length === 0 ? empty("No training yet", "Outputs of jetcal train appear here after their first epoch. Trials of a study are shown with the study.", "jetcal train --config configs/train_pfn.yaml") :
    h("section", {class: "card"}, h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, "All trainings, newest first"),
      h("thead", {}, h("tr", {}, ["Training", "State", "Epochs", "Validation loss", "Best", "Test loss", "Jets a second", "Changed"].map((name, i) => h("th", {scope: "col", class: i > 1 && i < 7 ? "number" : null}, name)))),
      h("tbody", {}, trainings.map(one => h("tr", {"data-key": one.id},
        h("th", {scope: "row", class: "long"}, h("a", {class: "name", href: `#/trainings/${one.id}`, title: one.path}, shortName(one.name))), h("td", {}, stateBadge(one.state)), h("td", {class: "number"}, one.epochs),
        h("td", {class: "number"}, number(one.validation_loss)), h("td", {class: "number"}, one.best ? `${number(one.best.validation_loss)} (${one.best.epoch})` : ""),
        h("td", {class: "number"}, one.test ? number(one.test.loss) : ""), h("td", {class: "number"}, one.jets_per_second ? Math.round(one.jets_per_second).toLocaleString("en") : ""),
        h("td", {class: "when", title: clock(one.changed)}, ago(one.changed))))))))),
  ({trainings}) => trainings.some(one => one.state === "running") ? 2000 : 6000, error => show(place, problem("The trainings cannot be had", error.message)));
}
