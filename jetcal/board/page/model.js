// SPDX-License-Identifier: Apache-2.0
// One model: what it is, where it came from, what lies in its files.
import {h, show} from "./dom.js";
import {live} from "./api.js";
import {bytes, clock, count, isHash, seconds, shortName, value} from "./format.js";
import {crumbs, facts, problem} from "./parts.js";

const hash = text => isHash(text) ? h("code", {title: text}, text.slice(0, 12)) : value(text);

function lineageView(one, stores) {
  const store = stores.find(place => place.path === one.store);
  return h("div", {}, h("ol", {class: "lineage"}, one.steps.map(step => h("li", {},
      h("div", {class: "heading"}, h("strong", {}, step.step), store ? h("a", {href: `#/runs/${store.id}/${encodeURIComponent(step.run)}?step=${encodeURIComponent(step.step)}`}, step.run) : h("span", {}, step.run),
        h("span", {class: "when"}, `${clock(step.finished)}, ${seconds(step.seconds)}`)),
      facts([...Object.entries(step.parameters).map(([name, item]) => [name, value(item)]), ...Object.entries(step.outputs).map(([name, item]) => [`gave ${name}`, hash(item)])]),
      h("details", {}, h("summary", {}, "Command and programs"), h("pre", {class: "command"}, step.command.map(value).join(" ")), facts([["jetcal", step.jetcal], ...Object.entries(step.binaries).map(([name, item]) => [name, hash(item)])]))))),
    h("h3", {}, "Data it came from"), one.data.length ? facts(one.data.map(item => [h("span", {class: "long"}, item.path), hash(item.sha256)])) : h("p", {class: "remark"}, "None from outside."),
    h("h3", {}, "Programs"), h("p", {}, one.commits.join(", ")));
}

function tensorTable(tensors) {
  return h("details", {}, h("summary", {}, `${count(tensors.length, "tensor")}`), h("div", {class: "scroll"}, h("table", {class: "plain narrow"}, h("caption", {class: "unseen"}, "Tensors"),
    h("thead", {}, h("tr", {}, ["Tensor", "Shape", "Numbers"].map((name, i) => h("th", {scope: "col", class: i === 2 ? "number" : null}, name)))),
    h("tbody", {}, tensors.map(one => h("tr", {}, h("th", {scope: "row", class: "long"}, one.name), h("td", {}, one.shape.join(" × ")), h("td", {class: "number"}, one.size.toLocaleString("en"))))))));
}

function modelCards(model, stores) {
  return [h("div", {class: "two"},
    h("section", {class: "card", "aria-label": "Network"}, h("h2", {}, "Network"), facts([["Parameters", model.parameters.toLocaleString("en")], ["Multiply-accumulates a jet", `${(model.macs / 1e6).toFixed(2)} M, 100 particles`],
      ["Inputs are standardised", model.standardised ? "yes" : "no"], ["Calibrated", model.calibrated ? "yes" : "no"], ...Object.entries(model.config).map(([name, item]) => [name, value(item)])]), tensorTable(model.tensors)),
    h("div", {class: "stack"},
      h("section", {class: "card", "aria-label": "Where it came from"}, h("h2", {}, "As its file says"), facts([...Object.entries(model.provenance).map(([name, item]) => [name.replaceAll("_", " "), hash(item)]), ["fingerprint", model.fingerprint], ["SHA-256", hash(model.sha256)], ["size", bytes(model.file.bytes)]])))),
    h("section", {class: "card", "aria-label": "Lineage"}, h("h2", {}, "Lineage"), model.lineage.length ? model.lineage.map(one => lineageView(one, stores)) : h("p", {class: "remark"}, "No pipeline on this board made it; what its file says is all there is.")),
    model.manifests.length > 0 && h("section", {class: "card", "aria-label": "Manifests"}, h("h2", {}, "Manifests of its data"), model.manifests.map(one => h("details", {}, h("summary", {class: "long"}, one.path), h("pre", {class: "command"}, JSON.stringify(one.manifest, null, 1)))))];
}

export function mount(place, parameters, signal, title) {
  const {kind, model: id} = parameters;
  live(`models/${kind}/${id}`, signal, one => {
    const name = shortName(one.name);
    title(name);
    const versions = one.versions || [];
    show(place, crumbs(["Overview", "#/"], ["Models", "#/models"], [name]),
      h("div", {class: "heading"}, h("h1", {}, name)), h("p", {class: "remark long"}, one.path),
      kind === "repository" ? [
        versions.map(version => h("section", {class: "stack", "aria-label": `Version ${version.version}`}, h("h2", {class: "section"}, `Version ${version.version}`),
          version.error && problem("Its model cannot be read", version.error), version.model && modelCards(version.model, one.stores),
          h("section", {class: "card", "aria-label": "Files"}, h("h2", {}, "Files"), facts(version.files.map(file => [file.name, bytes(file.bytes)]))))),
        versions.length === 0 && h("p", {class: "note"}, "This repository has no version."),
        h("section", {class: "card", "aria-label": "config.pbtxt"}, h("h2", {}, "config.pbtxt"), h("pre", {class: "command"}, one.config)),
        h("section", {class: "card", "aria-label": "On KServe"}, h("h2", {}, "On KServe"), one.deployment.manifests ? [
          h("p", {class: "remark long"}, "As ", h("code", {}, `jetcal pipeline render --format serving --model-name ${name}`), " writes them; its flags say image, bucket, replicas and canary."),
          h("details", {}, h("summary", {}, "Manifests"), h("pre", {class: "command"}, one.deployment.manifests))] : h("p", {class: "reason"}, one.deployment.reason))]
        : modelCards(one, one.stores));
  }, () => 8000, error => show(place, problem("This model cannot be had", error.message)));
}
