// SPDX-License-Identifier: Apache-2.0
// Asks the board's own server, and asks again as long as a page is looked at.

const known = new Map(); // address -> {tag, data}

export async function get(address, signal) {
  const before = known.get(address);
  const reply = await fetch("/api/" + address, {signal, headers: before ? {"if-none-match": before.tag} : {}, cache: "no-store"})
    .catch(error => { throw Object.assign(new Error("the board does not answer"), {offline: true, cause: error}); });
  if (reply.status === 304) return before.data;
  const data = await reply.json().catch(() => ({error: `the board answered ${reply.status} without words`}));
  if (!reply.ok) throw Object.assign(new Error(data.error || `status ${reply.status}`), {status: reply.status});
  const tag = reply.headers.get("etag");
  if (tag) {
    if (known.size > 40) known.delete(known.keys().next().value);
    known.set(address, {tag, data});
  }
  return data;
}

export async function send(address) {
  const reply = await fetch("/api/" + address, {method: "POST", headers: {"x-jetcal-board": "1"}});
  const data = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(data.error || `status ${reply.status}`);
  return data;
}

function wait(time, signal) {
  return new Promise(done => {
    const timer = setTimeout(done, time);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, {once: true});
  });
}

// A page that nobody sees does not ask.
function seen(signal) {
  if (document.visibilityState !== "hidden") return Promise.resolve();
  return new Promise(done => {
    const look = () => { if (document.visibilityState !== "hidden") { document.removeEventListener("visibilitychange", look); done(); } };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", done, {once: true});
  });
}

/// Calls `use(data, changed)` now and every `interval(data)` milliseconds until `signal`; what cannot be had goes to `failed`
/// when nothing was there before, and into the bar at the top otherwise.
export async function live(address, signal, use, interval, failed) {
  let last, pause = 1000;
  while (!signal.aborted) {
    try {
      const data = await get(typeof address === "function" ? address() : address, signal);
      if (signal.aborted) return;
      setLink(true);
      use(data, data !== last);
      last = data;
      pause = interval(data);
    } catch (error) {
      if (signal.aborted) return;
      setLink(!error.offline);
      if (!error.offline && !error.status) throw error; // a mistake of the page's own
      if (error.status || last === undefined) failed(error);
      pause = Math.min(10000, pause * 2);
    }
    await wait(pause, signal);
    await seen(signal);
  }
}

function setLink(good) {
  const place = document.getElementById("link");
  const text = good ? "" : "No answer from the board; trying again";
  if (place.textContent !== text) place.textContent = text;
  document.body.classList.toggle("cut-off", !good);
}
