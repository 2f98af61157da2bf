// Live updates: the server says that something changed; the page fetches its inner part again and merges it in.
import { hourMinute, setTime, siteTime } from "./clock.js";
import { prepareCopying } from "./copy.js";
import { merge, moves, remember } from "./merge.js";

const SILENCE = 12000; // the server gives a sign of life every 5 s
const REST = 700; // lines do not move while the mouse moved within this time ...
const PATIENCE = 3000; // ... but at most this long
const MINUTE = 60000; // lateness grows without any event

const view = document.getElementById("view");
const sign = document.getElementById("live");
let watchdog = 0;
let mouseAt = -Infinity;
let running = false;
let again = false;

const wait = (time) => new Promise((done) => setTimeout(done, time));

function show(state, words) {
  sign.hidden = false;
  sign.dataset.state = state;
  sign.querySelector("span").textContent = words;
}

function heard(event) {
  clearTimeout(watchdog);
  watchdog = setTimeout(lost, SILENCE);
  const data = JSON.parse(event.data);
  if (data.wall) setTime(data.wall);
  show("on", "Live");
  return data;
}

function lost() {
  if (sign.dataset.state !== "lost") show("lost", `Not live since ${hourMinute(siteTime())}`);
}

function request() {
  const options = { headers: { "X-Fragment": "1" }, cache: "no-store" };
  if (view.dataset.search === undefined) return fetch(location.href, options);
  options.method = "POST";
  options.body = new FormData(document.querySelector("form.find"));
  return fetch("/search", options);
}

async function quiet(fresh) {
  const until = performance.now() + PATIENCE;
  while (moves(view, fresh) && performance.now() - mouseAt < REST && performance.now() < until) await wait(100);
}

async function refresh() {
  const answer = await request();
  if (answer.status === 401) return location.reload();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("view");
  await quiet(fresh);
  merge(view, fresh);
  prepareCopying(view);
}

/** Fetch what this page shows; calls during a fetch are answered by one more fetch. */
async function update() {
  again = true;
  if (running) return;
  running = true;
  try {
    while (again) {
      again = false;
      await refresh();
    }
  } catch {
    lost(); // the next sign of life asks again, since the fingerprint still differs
  } finally {
    running = false;
  }
}

const concerns = (data) =>
  view.dataset.scope === "all" || !data.orders || data.orders.includes(Number(view.dataset.scope));

export function follow() {
  if (!view) return;
  remember(view);
  document.addEventListener("pointermove", () => (mouseAt = performance.now()), { passive: true });
  const source = new EventSource("/api/v1/events");
  const compare = (event) => {
    if (heard(event).fingerprint !== view.dataset.fingerprint) update();
  };
  source.addEventListener("hello", compare);
  source.addEventListener("beat", compare);
  source.addEventListener("change", (event) => {
    const data = heard(event);
    if (concerns(data)) update();
    else view.dataset.fingerprint = data.fingerprint;
  });
  source.addEventListener("ended", () => location.reload());
  source.onerror = lost;
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  setInterval(update, MINUTE);
}
