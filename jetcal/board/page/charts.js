// SPDX-License-Identifier: Apache-2.0
// Charts by Apache ECharts, which is fetched from the board when the first one is drawn.
import {h} from "./dom.js";

let library = null;

function load() {
  library ||= new Promise((done, failed) => {
    const script = h("script", {src: "/assets/echarts.min.js"});
    script.onload = () => window.echarts ? done(window.echarts) : failed(new Error("this build has no chart library (tools/setup.py build)"));
    script.onerror = () => failed(new Error("this build has no chart library (tools/setup.py build)"));
    document.head.append(script);
  });
  return library;
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const probe = h("span"); // resolves light-dark()
  document.body.append(probe);
  const color = name => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
  const colors = Object.fromEntries(["ink", "ink-soft", "line", "surface", "accent", "good", "cached", "run", "bad", "held", "cut"].map(name => [name, color(name)]));
  probe.remove();
  const dark = style.getPropertyValue("--is-dark").trim() === "1";
  return {...colors, dark, font: getComputedStyle(document.body).fontFamily,
          series: dark ? ["#6cc0db", "#f0b35a", "#7fd0a0", "#ff8e78", "#c8a2e8", "#9fb8d8", "#d8c27a"] : ["#1f6f8b", "#c9741a", "#2a8a5c", "#b3331f", "#7b4fa3", "#5d7696", "#8a7420"]};
}

export const ofState = (colors, state) => ({complete: colors.accent, running: colors.run, failed: colors.bad, stopped: colors.held, paused: colors.cached, waiting: colors.line})[state] || colors.held;

export const axis = (colors, more) => ({nameLocation: "middle", nameGap: 30, nameTextStyle: {color: colors["ink-soft"]}, axisLabel: {color: colors["ink-soft"]},
  axisLine: {lineStyle: {color: colors.line}}, axisTick: {lineStyle: {color: colors.line}}, splitLine: {lineStyle: {color: colors.line, opacity: 0.6}}, ...more});

/// A chart that follows its place and the theme. `build(colors)` gives the option; `describe()` a sentence for those who do not see it.
export function chart({label, height = 320, build, describe, onClick, signal, onReady}) {
  const place = h("div", {class: "chart", role: "img", "aria-label": label, style: {height: `${height}px`}});
  const remark = h("p", {class: "remark"});
  const view = h("figure", {class: "figure", "data-own": ""}, h("figcaption", {}, label), place, remark);
  let drawn = null;
  const apply = () => {
    const colors = theme(), option = build(colors);
    drawn.setOption({animation: false, color: colors.series, textStyle: {fontFamily: colors.font, color: colors.ink},
      grid: {left: option.yAxis && option.yAxis.name ? 36 : 12, right: 24, top: 30, bottom: option.xAxis && option.xAxis.name ? 40 : 12, containLabel: true}, ...option,
      tooltip: {renderMode: "richText", backgroundColor: colors.surface, borderColor: colors.line, textStyle: {color: colors.ink, fontSize: 12}, ...option.tooltip},
      legend: option.legend && {textStyle: {color: colors["ink-soft"]}, inactiveColor: colors.line, right: 0, top: 0, type: "scroll", ...option.legend}}, {notMerge: true});
    const text = describe ? describe() : "";
    remark.textContent = text;
    place.setAttribute("aria-label", `${label}. ${text}`);
    place.dataset.drawn = String(Number(place.dataset.drawn || 0) + 1);
  };
  const ready = load().then(async echarts => {
    // A figure that is not in the page yet has no width.
    while (!place.clientWidth && !signal.aborted) await new Promise(requestAnimationFrame);
    if (signal.aborted) return;
    drawn = echarts.init(place, null, {renderer: "canvas"});
    if (onClick) drawn.on("click", onClick);
    apply();
    if (onReady) onReady(drawn);
    const observer = new ResizeObserver(() => drawn.resize());
    observer.observe(place);
    window.addEventListener("themechange", apply);
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", apply);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      window.removeEventListener("themechange", apply);
      media.removeEventListener("change", apply);
      drawn.dispose();
    }, {once: true});
  }).catch(error => { remark.textContent = error.message; });
  return {view, update: () => ready.then(() => { if (drawn && !drawn.isDisposed()) apply(); })};
}
