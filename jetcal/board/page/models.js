// SPDX-License-Identifier: Apache-2.0
// All models: those that are served, and model files.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {ago, clock, count, shortName} from "./format.js";
import {crumbs, empty, problem} from "./parts.js";

export const title = "Models";

function list(models, caption) {
  return h("div", {class: "scroll"}, h("table", {class: "plain"}, h("caption", {class: "unseen"}, caption), h("thead", {}, h("tr", {}, ["Model", "Changed"].map(name => h("th", {scope: "col"}, name)))),
    h("tbody", {}, models.map(one => h("tr", {"data-key": one.kind + one.id}, h("th", {scope: "row", class: "long"}, h("a", {class: "name", href: `#/models/${one.kind}/${one.id}`, title: one.path}, shortName(one.name))),
      h("td", {class: "when", title: clock(one.changed)}, ago(one.changed)))))));
}

export function mount(place, parameters, signal) {
  live("models", signal, ({models}) => {
    const served = models.filter(one => one.kind === "repository"), files = models.filter(one => one.kind === "model");
    show(place, crumbs(["Overview", "#/"], ["Models"]), h("div", {class: "heading"}, h("h1", {}, "Models"), h("p", {class: "remark"}, count(models.length, "model"))),
      models.length === 0 ? empty("No model yet", "Model files and repositories appear here when a training or an export has written them.", "jetcal export --model run/model.jetcal --repository repository --name optimal") : [
        served.length > 0 && h("section", {class: "card", "aria-labelledby": "served-title"}, h("h2", {id: "served-title"}, "In repositories"), list(served, "Served models, newest first")),
        files.length > 0 && h("section", {class: "card", "aria-labelledby": "files-title"}, h("h2", {id: "files-title"}, "Model files"), list(files, "Model files, newest first"))]);
  }, () => 5000, error => show(place, problem("The models cannot be had", error.message)));
}
