// SPDX-License-Identifier: Apache-2.0
// Numbers, times and names as people read them.

export function number(value, digits = 5) {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return Math.abs(value) < 1e6 ? String(value) : value.toLocaleString("en");
  return Number(value.toPrecision(digits)).toString();
}

export function value(item) {
  if (item === null || item === undefined) return "";
  if (typeof item === "number") return number(item);
  return typeof item === "object" ? JSON.stringify(item) : String(item);
}

export function seconds(time) {
  if (time === null || time === undefined || !Number.isFinite(time) || time < 0) return "";
  if (time < 10) return `${time.toFixed(1)} s`;
  if (time < 60) return `${Math.round(time)} s`;
  const minutes = Math.floor(time / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(time % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function bytes(size) {
  if (size < 1024) return `${size} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let at = -1;
  do { size /= 1024; ++at; } while (size >= 1024 && at < units.length - 1);
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[at]}`;
}

/// A time of the server, ISO 8601 or seconds since 1970, as milliseconds; NaN where there is none.
export const milliseconds = time => typeof time === "number" ? (time > 0 ? time * 1000 : NaN) : Date.parse(time);

export function ago(time) {
  const then = milliseconds(time);
  if (!Number.isFinite(then)) return "";
  const past = (Date.now() - then) / 1000;
  if (past < 5) return "now";
  if (past < 90) return `${Math.round(past)} s ago`;
  if (past < 5400) return `${Math.round(past / 60)} min ago`;
  if (past < 129600) return `${Math.round(past / 3600)} h ago`;
  return `${Math.round(past / 86400)} days ago`;
}

export function clock(time) {
  const then = milliseconds(time);
  if (!Number.isFinite(then)) return "";
  const date = new Date(then), two = n => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/// A path in which hashes are told by their first digits.
export const shortName = name => name.replace(/[0-9a-f]{64}/g, hash => hash.slice(0, 8) + "…");
export const isHash = text => typeof text === "string" && /^[0-9a-f]{64}$/.test(text);
export const count = (n, one, many = one + "s") => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
