// SPDX-License-Identifier: Apache-2.0
// Which page belongs to which address.
import {show} from "./dom.js";
import {problem} from "./parts.js";
import * as overview from "./overview.js";

const later = file => () => import(`/assets/${file}.js`);
// [name in the navigation, address, module]; ":x" stands for any part.
const PAGES = [
  ["overview", [], async () => overview],
  ["runs", ["runs"], later("runs")],
  ["runs", ["runs", ":store", "compare"], later("compare_runs")],
  ["runs", ["runs", ":store", ":run"], later("run")],
  ["studies", ["studies"], later("studies")],
  ["studies", ["studies", ":study"], later("study")],
  ["studies", ["studies", ":study", "compare"], later("compare_trials")],
  ["studies", ["studies", ":study", "trials", ":trial"], later("trial")],
  ["trainings", ["trainings"], later("trainings")],
  ["trainings", ["trainings", ":training"], later("training")],
  ["models", ["models"], later("models")],
  ["models", ["models", ":kind", ":model"], later("model")],
  ["serving", ["serving"], later("serving")],
  ["physics", ["physics"], later("physics")],
  ["physics", ["physics", ":report"], later("physics_report")],
];

function parse() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(part => { try { return decodeURIComponent(part); } catch { return part; } });
  for (const [name, pattern, load] of PAGES) {
    if (pattern.length !== parts.length) continue;
    const parameters = {};
    if (pattern.every((part, i) => part.startsWith(":") ? (parameters[part.slice(1)] = parts[i]) !== undefined : part === parts[i]))
      return {name, load, parameters, path, query: new URLSearchParams(query || "")};
  }
  return {name: "", path, query: new URLSearchParams()};
}

let current = null;

async function route() {
  const wanted = parse();
  if (current && current.path === wanted.path) {
    if (current.onQuery) current.onQuery(wanted.query);
    return;
  }
  if (current) current.controller.abort();
  const mine = current = {path: wanted.path, controller: new AbortController()};
  const main = document.getElementById("main");
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.page === wanted.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!wanted.load) {
    show(main, problem("There is no such page", "The address " + location.hash + " leads nowhere."));
    return;
  }
  try {
    const page = await wanted.load();
    if (mine !== current) return;
    const place = document.createElement("div");
    place.className = "page";
    main.replaceChildren(place);
    const title = text => { document.title = text ? `${text} – jetcal board` : "jetcal board"; };
    title(page.title || "");
    if (started) main.focus({preventScroll: true});
    window.scrollTo(0, 0);
    mine.onQuery = page.mount(place, {...wanted.parameters, query: wanted.query}, mine.controller.signal, title);
    started = true;
  } catch (error) {
    show(main, problem("The page cannot be shown", error.message));
    throw error;
  }
}

let started = false;

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  window.dispatchEvent(new Event("themechange"));
}

try { setTheme(localStorage.getItem("theme")); } catch { /* private windows have no memory */ }
document.getElementById("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).getPropertyValue("--is-dark").trim() === "1";
  const theme = dark ? "light" : "dark";
  setTheme(theme);
  try { localStorage.setItem("theme", theme); } catch { /* likewise */ }
});
window.addEventListener("hashchange", route);
document.querySelector(".skip").addEventListener("click", event => {
  event.preventDefault(); // the address is the page's
  document.getElementById("main").focus();
});
route();
