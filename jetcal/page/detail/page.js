// SPDX-License-Identifier: Apache-2.0
// What pages with charts share: elements, sections with an entry in the contents, charts, tables that can be sorted.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const colors = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C6D31", "#000000"];
// Texts go into the page as texts, never as markup.
function element(kind, text, attributes) {
  const node = document.createElement(kind);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  return node;
}
function shown(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)).toString() : String(value);
}
const charts = [];
window.addEventListener("resize", () => charts.forEach(chart => chart.resize()));
function section(id, title) {
  const node = element("section", undefined, {id});
  node.append(element("h2", title));
  document.getElementById("sections").append(node);
  document.getElementById("contents").append(element("a", title, {href: "#" + id}));
  return node;
}
function draw(parent, name, option, half, height) {
  const node = element("div", undefined, {class: half ? "chart half" : "chart", id: "chart-" + name});
  if (height) node.style.height = height + "px";
  parent.append(node);
  const chart = echarts.init(node, null, {renderer: "svg"});
  const tooltip = Object.assign({renderMode: "richText"}, option.tooltip);
  chart.setOption(Object.assign({animation: false, color: colors, textStyle: {fontFamily: "Helvetica, Arial, sans-serif"}},
                                option, {tooltip}));
  charts.push(chart);
  return chart;
}
function table(parent, caption, columns, rows) {
  const frame = element("div", undefined, {class: "table"}), node = element("table");
  node.append(element("caption", caption));
  const head = element("tr"), body = element("tbody");
  const fill = () => {
    body.replaceChildren(...rows.filter(row => !row.hidden).map(row => {
      const line = element("tr");
      row.cells.forEach(cell => line.append(element("td", shown(cell), typeof cell === "number" ? {} : {class: "text"})));
      return line;
    }));
  };
  columns.forEach((name, i) => {
    const cell = element("th", name, {class: "sortable", title: "sort"});
    let up = true;
    cell.addEventListener("click", () => {
      const empty = value => value === null || value === undefined || value === "";
      rows.sort((a, b) => {
        const x = a.cells[i], y = b.cells[i];
        if (empty(x) || empty(y)) return empty(x) - empty(y);
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
        return up ? order : -order;
      });
      up = !up;
      fill();
    });
    head.append(cell);
  });
  const top = element("thead");
  top.append(head);
  node.append(top, body);
  frame.append(node);
  parent.append(frame);
  fill();
  return {rows, fill};
}
