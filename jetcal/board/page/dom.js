// SPDX-License-Identifier: Apache-2.0
// Elements from data. Texts go into the page as texts, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    // The page's policy forbids style attributes; properties are allowed.
    if (name === "style") for (const [key, part] of Object.entries(value)) node.style.setProperty(key, part);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export const h = (kind, attributes, ...children) => fill(document.createElement(kind), attributes, children);
export const s = (kind, attributes, ...children) => fill(document.createElementNS(SVG, kind), attributes, children);

const keyOf = node => node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") || node.id || null : null;

function morphAttributes(old, fresh) {
  for (const {name} of [...old.attributes])
    if (name !== "style" && !fresh.hasAttribute(name) && !old.hasAttribute("data-keep-" + name)) old.removeAttribute(name);
  for (const {name, value} of fresh.attributes)
    if (name !== "style" && old.getAttribute(name) !== value && !(name === "open" && old.nodeName === "DETAILS")) old.setAttribute(name, value);
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
}

function morphNode(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  const open = old.nodeName === "DETAILS" && old.open;
  morphAttributes(old, fresh);
  if (open) old.open = true;
  // What a script of ours fills itself is left alone.
  if (!old.hasAttribute("data-own")) morphChildren(old, fresh);
}

function morphChildren(parent, source) {
  const keyed = new Map();
  for (const child of parent.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = parent.firstChild;
  for (const fresh of [...source.childNodes]) {
    const key = keyOf(fresh), known = key && keyed.get(key);
    if (known && known !== at) {
      parent.insertBefore(known, at);
      at = known;
    }
    if (!at) {
      parent.append(fresh);
      continue;
    }
    const next = at.nextSibling;
    if (!known && keyOf(at) && keyOf(at) !== key) {
      parent.insertBefore(fresh, at);
      continue;
    }
    morphNode(at, fresh);
    at = next;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/// Brings `parent` to hold `children`, changing only what differs: focus, selection and scroll stay.
export function show(parent, ...children) {
  const source = document.createElement(parent.nodeName);
  fill(source, {}, children);
  morphChildren(parent, source);
}

export function announce(text) {
  const place = document.getElementById("announce");
  if (place.textContent !== text) place.textContent = text;
}
