// SPDX-License-Identifier: Apache-2.0
// A table of thousands of rows, of which only those in sight are in the page: sorted, filtered, walked through by keys.
import {announce, h} from "./dom.js";
import {count} from "./format.js";

const ROW = 34, AROUND = 12;

const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", {numeric: true});
const missing = value => value === null || value === undefined || value === "";
const plain = name => name.toLowerCase().replace(/[\s_-]/g, "");

/// Reads "word name<0.1 state=failed" into a test of rows. Throws for a name that several columns begin with.
export function parseFilter(text, columns) {
  const tests = [];
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const parts = /^(.+?)(<=|>=|!=|=|<|>)(.+)$/.exec(word);
    const name = parts && plain(parts[1]);
    const column = parts && (columns.find(one => plain(one.name) === name) || columns.find(one => plain(one.name).startsWith(name)));
    if (!column) {
      tests.push(row => row.words.includes(word.toLowerCase()));
      continue;
    }
    const [, , sign, raw] = parts, wanted = raw.trim() !== "" && !Number.isNaN(Number(raw)) ? Number(raw) : raw.toLowerCase();
    tests.push(row => {
      const cell = row.cells[column.at];
      if (missing(cell)) return sign === "!=";
      const value = typeof wanted === "number" && typeof cell === "number" ? cell : String(cell).toLowerCase();
      const other = typeof value === "number" ? wanted : String(wanted);
      return {"<": value < other, ">": value > other, "<=": value <= other, ">=": value >= other, "=": value === other, "!=": value !== other}[sign];
    });
  }
  return row => tests.every(test => test(row));
}

/// `columns`: [{name, show(cell, row), number, hidden}]; `href(row)` leads from the first column. `chosen` is a Set of keys.
export class DataTable {
  constructor({label, columns, href, keyOf, chosen, onChange, sort}) {
    Object.assign(this, {label, href, keyOf, chosen, onChange});
    this.columns = columns.map((column, at) => ({...column, at}));
    this.sort = sort || {at: 0, down: false};
    this.rows = this.seen = [];
    this.active = 0;
    this.filter = () => true;
    this.body = h("tbody");
    this.head = h("tr");
    this.group = h("colgroup");
    this.table = h("table", {class: "data"}, h("caption", {class: "unseen"}, `${label}. Arrow keys go from row to row, Enter opens one, Space chooses it.`),
                   this.group, h("thead", {}, this.head), this.body);
    this.frame = h("div", {class: "table-frame", role: "region", "aria-label": label, tabindex: "-1"}, this.table);
    this.view = this.frame;
    this.frame.addEventListener("scroll", () => this.draw(), {passive: true});
    new ResizeObserver(() => this.draw()).observe(this.frame);
    this.head.addEventListener("click", event => {
      const button = event.target.closest("button");
      if (button) this.sortBy(Number(button.dataset.at));
    });
    this.body.addEventListener("keydown", event => this.onKey(event));
    this.body.addEventListener("change", event => {
      const index = Number(event.target.closest("tr").dataset.index);
      this.choose(this.seen[index], event.target.checked);
    });
    this.body.addEventListener("focusin", event => {
      const line = event.target.closest("tr");
      if (line && line.dataset.index !== undefined) this.active = Number(line.dataset.index);
    });
    this.drawHead();
  }

  /// Rows as lists of cells, in the order of the columns.
  setRows(rows) {
    this.rows = rows.map(cells => ({cells, words: cells.filter(cell => !missing(cell)).map(cell => typeof cell === "object" ? JSON.stringify(cell) : String(cell)).join(" ").toLowerCase()}));
    this.fitColumns();
    this.refresh();
  }

  setFilter(text) {
    this.filter = parseFilter(text, this.columns);
    this.active = 0;
    this.frame.scrollTop = 0;
    this.refresh();
    announce(`${count(this.seen.length, "row")} of ${this.rows.length}`);
  }

  setHidden(at, hidden) {
    this.columns[at].hidden = hidden;
    this.drawHead();
    this.fitColumns();
    this.draw(true);
  }

  sortBy(at) {
    this.sort = {at, down: this.sort.at === at ? !this.sort.down : false};
    this.refresh();
    this.drawHead();
    this.head.querySelector(`button[data-at="${at}"]`).focus();
    announce(`Sorted by ${this.columns[at].name}, ${this.sort.down ? "falling" : "rising"}`);
  }

  refresh() {
    const {at, down} = this.sort;
    this.seen = this.rows.filter(this.filter);
    // What a row lacks comes last either way.
    this.seen.sort((a, b) => {
      const x = a.cells[at], y = b.cells[at];
      if (missing(x) || missing(y)) return missing(x) - missing(y);
      return down ? order(y, x) : order(x, y);
    });
    this.active = Math.min(this.active, Math.max(0, this.seen.length - 1));
    this.frame.style.height = `min(66vh, ${Math.max(3, this.rows.length + 1) * ROW + 20}px)`;
    this.table.setAttribute("aria-rowcount", String(this.seen.length + 1));
    this.draw(true);
    if (this.onChange) this.onChange(this);
  }

  choose(row, yes) {
    const key = this.keyOf(row);
    if (yes) this.chosen.add(key);
    else this.chosen.delete(key);
    if (this.onChange) this.onChange(this);
  }

  drawHead() {
    const cells = this.columns.filter(column => !column.hidden).map(column => {
      const mine = column.at === this.sort.at;
      return h("th", {scope: "col", class: column.number ? "number" : null, "aria-sort": mine ? (this.sort.down ? "descending" : "ascending") : "none"},
        h("button", {type: "button", "data-at": column.at, title: `Sort by ${column.name}`}, h("span", {}, column.name),
          h("span", {class: "arrow", "aria-hidden": "true"}, mine ? (this.sort.down ? "▾" : "▴") : "")));
    });
    this.head.replaceChildren(this.chosen ? h("th", {scope: "col"}, h("span", {class: "unseen"}, "Choose")) : "", ...cells);
    if (!this.chosen) this.head.firstChild.remove();
  }

  // Widths follow from the texts of some rows, once, so that nothing moves while rows come and go.
  fitColumns() {
    const step = Math.max(1, Math.floor(this.rows.length / 120));
    const widths = this.columns.filter(column => !column.hidden).map(column => {
      let longest = column.name.length + 4;
      for (let i = 0; i < this.rows.length; i += step) {
        const cell = this.rows[i].cells[column.at];
        if (!missing(cell)) longest = Math.max(longest, column.width ? column.width : String(column.text ? column.text(cell) : cell).length);
      }
      return Math.min(46, Math.max(6, longest)) * 8.2 + 26;
    });
    if (this.chosen) widths.unshift(40);
    this.group.replaceChildren(...widths.map(width => h("col", {style: {width: `${width}px`}})));
    this.table.style.width = `max(100%, ${widths.reduce((a, b) => a + b, 0)}px)`;
  }

  draw(anew) {
    const top = Math.max(0, Math.floor(this.frame.scrollTop / ROW) - AROUND);
    const many = Math.ceil((this.frame.clientHeight || 600) / ROW) + 2 * AROUND;
    const end = Math.min(this.seen.length, top + many);
    if (!anew && this.drawn && this.drawn[0] === top && this.drawn[1] === end) return;
    this.drawn = [top, end];
    const focused = this.body.contains(document.activeElement) ? this.active : -1;
    const space = height => h("tr", {"aria-hidden": "true", class: "space"}, h("td", {colspan: this.columns.length + 1, style: {height: `${height}px`}}));
    const lines = [];
    for (let i = top; i < end; ++i) lines.push(this.line(this.seen[i], i));
    this.body.replaceChildren(...(top > 0 ? [space(top * ROW)] : []), ...lines, ...(end < this.seen.length ? [space((this.seen.length - end) * ROW)] : []));
    if (focused >= top && focused < end) this.linkAt(focused)?.focus({preventScroll: true});
    else if (focused >= 0) this.frame.focus({preventScroll: true});
  }

  line(row, index) {
    const key = this.keyOf(row), shown = this.columns.filter(column => !column.hidden);
    return h("tr", {"aria-rowindex": index + 2, "data-index": index, class: this.chosen && this.chosen.has(key) ? "chosen" : null},
      this.chosen && h("td", {}, h("input", {type: "checkbox", tabindex: "-1", checked: this.chosen.has(key), "aria-label": `choose ${key}`})),
      shown.map(column => {
        const cell = row.cells[column.at], text = missing(cell) ? "" : column.text ? column.text(cell) : String(cell);
        const inside = column.show && !missing(cell) ? column.show(cell, row) : text;
        if (column.at !== 0) return h("td", {class: column.number ? "number" : null, title: text.length > 24 ? text : null}, inside);
        return h("th", {scope: "row", class: column.number ? "number" : null}, h("a", {href: this.href(row), tabindex: index === this.active ? "0" : "-1"}, inside));
      }));
  }

  linkAt(index) { return this.body.querySelector(`tr[data-index="${index}"] a`); }

  onKey(event) {
    const page = Math.max(1, Math.floor(this.frame.clientHeight / ROW) - 2), last = this.seen.length - 1;
    const to = {ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + page, PageUp: this.active - page, Home: 0, End: last}[event.key];
    if (event.key === " " && this.chosen && event.target.nodeName === "A") {
      event.preventDefault();
      const row = this.seen[this.active];
      this.choose(row, !this.chosen.has(this.keyOf(row)));
      this.draw(true);
    }
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.goTo(Math.min(last, Math.max(0, to)));
  }

  goTo(index) {
    this.active = index;
    const top = index * ROW, head = this.head.offsetHeight;
    if (top < this.frame.scrollTop) this.frame.scrollTop = top;
    else if (top + ROW > this.frame.scrollTop + this.frame.clientHeight - head) this.frame.scrollTop = top + ROW + head - this.frame.clientHeight;
    this.draw(true);
    this.linkAt(index)?.focus({preventScroll: true});
  }

  /// What is seen, as CSV (RFC 4180).
  csv() {
    const quoted = cell => { const text = missing(cell) ? "" : typeof cell === "object" ? JSON.stringify(cell) : String(cell); return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
    return [this.columns.map(column => column.name), ...this.seen.map(row => row.cells)].map(line => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  }
}

export function save(name, text, type) {
  const link = h("a", {download: name, href: URL.createObjectURL(new Blob([text], {type}))});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
