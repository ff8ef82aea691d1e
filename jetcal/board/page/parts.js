// SPDX-License-Identifier: Apache-2.0
// Pieces that several pages share: states, empty places, facts, logs.
import {h, s} from "./dom.js";
import {get} from "./api.js";
import {bytes} from "./format.js";

// Each state has a shape as well as a color.
const SHAPES = {
  good: "M3.5 8.5 6.5 11.5 12.5 4.5", cached: "M3 9.5a5 5 0 0 1 9.6-1.6M12.8 4v4h-4", bad: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  held: "M4 8h8", cut: "M9 2.5 5 9h3l-1 4.5L11.5 7H8z", idle: "M8 4.5V8l2.5 1.5"
};
const STATES = {
  finished: "good", complete: "good", ready: "good", cached: "cached", kept: "cached", failed: "bad", damaged: "bad", unreachable: "bad",
  blocked: "held", cancelled: "held", skipped: "held", "left-out": "held", stopped: "held", paused: "held", cut: "cut",
  running: "running", live: "running", waiting: "idle", queued: "idle", retry: "idle"
};
export const toneOf = state => STATES[state] || "idle";

export function stateIcon(state) {
  const tone = toneOf(state);
  const inside = tone === "running" ? [s("circle", {cx: 8, cy: 8, r: 3.2, class: "pulse"})] : [s("path", {d: SHAPES[tone]})];
  return s("svg", {class: "icon tone-" + tone, viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false"},
           s("circle", {cx: 8, cy: 8, r: 7.2, class: "disc"}), ...inside);
}

export const stateBadge = state => h("span", {class: "state tone-" + toneOf(state)}, stateIcon(state), h("span", {}, state || "unknown"));

/// All steps of a run in one line of small marks.
export function strip(steps) {
  const counts = {};
  for (const step of steps) counts[step.state] = (counts[step.state] || 0) + 1;
  const label = Object.entries(counts).map(([state, n]) => `${n} ${state}`).join(", ") || "no step yet";
  const marks = steps.length <= 24
    ? steps.map(step => h("i", {class: "tone-" + toneOf(step.state), title: `${step.name}: ${step.state}`}))
    : Object.entries(counts).map(([state, n]) => h("i", {class: "wide tone-" + toneOf(state), style: {"flex-grow": String(n)}, title: `${n} ${state}`}));
  return h("span", {class: "strip", role: "img", "aria-label": label}, marks);
}

export const crumbs = (...parts) => h("nav", {class: "crumbs", "aria-label": "Where this is"},
  h("ol", {}, parts.map(([text, href]) => h("li", {}, href ? h("a", {href}, text) : h("span", {"aria-current": "page"}, text)))));

export const empty = (title, text, command) => h("div", {class: "empty"}, h("p", {class: "empty-title"}, title), text && h("p", {}, text),
                                                 command && h("pre", {}, command));

export const problem = (title, text) => h("div", {class: "alert", role: "alert"}, h("p", {class: "alert-title"}, title), h("p", {class: "reason"}, text));

/// Names and values; entries without a value are left out.
export const facts = pairs => h("dl", {class: "facts"}, pairs.filter(([, text]) => text !== "" && text !== null && text !== undefined)
  .map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));

export function card(title, attributes, ...children) {
  const id = "h-" + title.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return h("section", {class: "card", "aria-labelledby": id, ...attributes}, h("h2", {id}, title), ...children);
}

/// A log that is read as it grows. `address` is below /api and takes `from`.
export function logView(title, address, signal, growing) {
  const text = h("pre", {class: "log", tabindex: "0", role: "log", "aria-label": title});
  const remark = h("p", {class: "remark"});
  const view = h("div", {class: "log-frame", "data-own": ""}, text, remark);
  let at = null;
  const read = async () => {
    try {
      const piece = await get(`${address}${address.includes("?") ? "&" : "?"}${at === null ? "" : "from=" + at}`, signal);
      const follow = text.scrollTop + text.clientHeight >= text.scrollHeight - 24;
      if (at === null || piece.from !== at) text.textContent = "";
      if (piece.text) text.append(document.createTextNode(piece.text));
      if (at === null && !piece.size) text.textContent = "";
      const first = at === null;
      at = piece.to;
      remark.textContent = piece.size ? `${bytes(piece.size)}${first && piece.from ? `, from byte ${piece.from} on` : ""}` : "The log is empty so far.";
      if (follow || first) text.scrollTop = text.scrollHeight;
      return piece.to < piece.size;
    } catch (error) {
      if (!signal.aborted) remark.textContent = error.message;
      return false;
    }
  };
  (async () => {
    do {
      const more = await read();
      if (!more) await new Promise(done => setTimeout(done, 1000));
    } while (!signal.aborted && growing());
    while (!signal.aborted && await read());
  })();
  return view;
}
