// SPDX-License-Identifier: Apache-2.0
// Steps that need each other, drawn from left to right.
import {h, s} from "./dom.js";
import {stateIcon, toneOf} from "./parts.js";

const WIDTH = 196, HEIGHT = 62, GAP_X = 52, GAP_Y = 18;

// Columns by the longest way from a start; within a column by the mean place of what is needed.
function place(steps) {
  const byName = new Map(steps.map(step => [step.name, step]));
  const column = new Map();
  for (const step of steps) // they come in an order in which needs come first
    column.set(step.name, Math.max(0, ...step.needs.filter(name => byName.has(name)).map(name => column.get(name) + 1)));
  const columns = [];
  for (const step of steps) (columns[column.get(step.name)] ||= []).push(step.name);
  const row = new Map();
  for (const names of columns) {
    const wish = name => {
      const rows = byName.get(name).needs.map(one => row.get(one)).filter(one => one !== undefined);
      return rows.length ? rows.reduce((a, b) => a + b, 0) / rows.length : 0;
    };
    const sorted = names.map((name, i) => [name, wish(name), i]).sort((a, b) => a[1] - b[1] || a[2] - b[2]);
    let free = 0;
    for (const [name, wanted] of sorted) {
      const at = Math.max(free, wanted);
      row.set(name, at);
      free = at + 1;
    }
  }
  return {column, row, columns: columns.length, rows: Math.max(0, ...row.values()) + 1};
}

/// `nodes`: [{name, needs, state, text, href, current}].
export function graphView(nodes, label) {
  const at = place(nodes);
  const x = name => at.column.get(name) * (WIDTH + GAP_X), y = name => at.row.get(name) * (HEIGHT + GAP_Y);
  const width = at.columns * (WIDTH + GAP_X) - GAP_X, height = at.rows * (HEIGHT + GAP_Y) - GAP_Y;
  const known = new Set(nodes.map(node => node.name)), states = new Map(nodes.map(node => [node.name, node.state]));
  const edges = nodes.flatMap(node => node.needs.filter(name => known.has(name)).map(name => {
    const x0 = x(name) + WIDTH, y0 = y(name) + HEIGHT / 2, x1 = x(node.name), y1 = y(node.name) + HEIGHT / 2;
    const bend = Math.max(GAP_X * 0.6, (x1 - x0) / 2.4);
    return s("path", {d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}`, class: `edge tone-${toneOf(states.get(name))}`});
  }));
  return h("div", {class: "graph-frame", tabindex: "0", role: "group", "aria-label": label},
    h("div", {class: "graph", style: {width: width + "px", height: height + "px"}},
      s("svg", {width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true"}, edges),
      h("ol", {}, nodes.map(node => h("li", {"data-key": node.name, style: {left: x(node.name) + "px", top: y(node.name) + "px"}},
        h("a", {href: node.href, class: `node tone-${toneOf(node.state)}`, "aria-current": node.current ? "true" : null, title: node.name},
          stateIcon(node.state),
          h("span", {class: "node-name"}, node.name),
          h("span", {class: "node-text"}, node.text)))))));
}
