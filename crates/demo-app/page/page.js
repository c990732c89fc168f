// rollouts-demo's page: asks, counts, draws, and breaks versions on request.
import { Field, colorOf } from "./field.js";

const LATE_MS = 100;
// A browser keeps six connections to a server; more than some in line say
// nothing new.
const MOST_IN_FLIGHT = 24;
const TICK_MS = 50;
const SAY_EVERY_MS = 500;
const SPEAK_EVERY_MS = 10_000;
const WINDOW_S = 10;
const GIVE_UP_MS = 35_000;
const MOST_VERSIONS = 8;
const MOST_LATENCIES = 256;
// Which pod answers is chance: so often another version may.
const MOST_TRIES = 24;
const NOT_OFFERED = ["none", "color-only", "already-broken"];

const by = (id) => document.getElementById(id);
const field = new Field(by("field"));
const versions = new Map();
let scenarios = [];
let inFlight = 0;
let due = 0;
let paused = false;
let unanswered = 0;
let window_ = [];

/* What is kept over a reload */

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem("rollouts-demo")) ?? {};
  } catch {
    return {};
  }
}
const settings = { rate: 40, of: {}, ...kept() };
const keep = () => sessionStorage.setItem("rollouts-demo", JSON.stringify(settings));

const setting = (name) => (settings.of[name] ??= { fail: 0, delay: 0, scenario: "" });

function body() {
  const list = [];
  for (const [color, { fail, delay, scenario }] of Object.entries(settings.of)) {
    if (!fail && !delay && !scenario) continue;
    const entry = { color };
    if (fail) entry.return500 = fail;
    if (delay) entry.delayLength = delay / 1000;
    if (scenario) entry.scenario = scenario;
    list.push(entry);
  }
  return JSON.stringify(list);
}

/* Asking */

async function ask() {
  inFlight += 1;
  const began = performance.now();
  try {
    const response = await fetch("color", { method: "POST", body: body(), cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
    const name = await response.json();
    if (typeof name !== "string") throw new TypeError("no colour");
    answered(name.slice(0, 32), response.status, performance.now() - began);
  } catch {
    nobody();
  } finally {
    inFlight -= 1;
  }
}

function answered(name, status, ms) {
  if (unanswered) {
    unanswered = 0;
    by("gone").hidden = true;
  }
  const version = versionOf(name);
  const failed = status >= 500;
  count(version, failed);
  version.latencies[version.next++ % MOST_LATENCIES] = ms;
  field.add(name, failed ? "error" : ms >= LATE_MS ? "late" : "ok");
}

function nobody() {
  unanswered += 1;
  field.add("", "none");
  if (unanswered >= 3) by("gone").hidden = false;
}

let last = performance.now();
function tick() {
  const now = performance.now();
  // A server that is gone is asked once a second.
  const rate = paused ? 0 : unanswered >= 3 ? 1 : settings.rate;
  due = Math.min(due + (rate * (now - last)) / 1000, MOST_IN_FLIGHT);
  last = now;
  while (due >= 1) {
    due -= 1;
    if (inFlight < (unanswered >= 3 ? 1 : MOST_IN_FLIGHT)) ask();
  }
}

/* Counting: a bucket a second, as many as the window has */

function count(version, failed) {
  const second = Math.floor(performance.now() / 1000);
  let bucket = window_.at(-1);
  if (!bucket || bucket.second !== second) {
    bucket = { second, of: new Map() };
    window_.push(bucket);
    while (window_[0].second <= second - WINDOW_S) window_.shift();
  }
  const counts = bucket.of.get(version) ?? { answers: 0, errors: 0 };
  counts.answers += 1;
  counts.errors += failed ? 1 : 0;
  bucket.of.set(version, counts);
}

function summed() {
  const second = Math.floor(performance.now() / 1000);
  const sums = new Map([...versions.values()].map((version) => [version, { answers: 0, errors: 0 }]));
  let all = 0;
  let oldest = second;
  for (const bucket of window_) {
    if (bucket.second <= second - WINDOW_S) continue;
    oldest = Math.min(oldest, bucket.second);
    for (const [version, { answers, errors }] of bucket.of) {
      const sum = sums.get(version);
      if (!sum) continue;
      sum.answers += answers;
      sum.errors += errors;
      all += answers;
    }
  }
  const seconds = Math.max(1, Math.min(WINDOW_S, performance.now() / 1000 - oldest));
  return { sums, all, seconds };
}

/* Versions */

function versionOf(name) {
  const known = versions.get(name);
  if (known) return known;
  if (versions.size >= MOST_VERSIONS) {
    // Somebody makes up names: the one that answered least goes.
    const [least] = [...versions.values()].sort((a, b) => a.next - b.next);
    least.card.remove();
    least.share.remove();
    least.part.remove();
    versions.delete(least.name);
  }
  const version = { name, latencies: [], next: 0, ...card(name) };
  versions.set(name, version);
  return version;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function card(name) {
  const card = by("version").content.firstElementChild.cloneNode(true);
  const one = (selector) => card.querySelector(selector);
  card.dataset.version = name;
  card.style.setProperty("--of", colorOf(name));
  one(".name").textContent = name;
  card.setAttribute("aria-label", `Version ${name}`);
  const mine = setting(name);
  slider(one(".fail"), mine, "fail", (value) => `${value} %`, `Errors of ${name}`);
  slider(one(".delay"), mine, "delay", (value) => (value < 1000 ? `${value} ms` : `${value / 1000} s`), `Added latency of ${name}`);
  buttons(card, name);
  const after = [...versions.values()].filter((other) => other.name > name).sort((a, b) => (a.name < b.name ? -1 : 1))[0];
  by("versions").insertBefore(card, after?.card ?? null);

  const share = document.createElement("li");
  share.style.setProperty("--of", colorOf(name));
  const swatch = document.createElement("span");
  swatch.className = "swatch";
  const percent = document.createElement("b");
  const called = document.createElement("span");
  called.textContent = name;
  share.append(swatch, percent, called);
  by("shares").insertBefore(share, after?.share ?? null);
  const part = document.createElement("span");
  part.style.setProperty("--of", colorOf(name));
  by("bar").insertBefore(part, after?.part ?? null);
  return { card, share, percent, part, said: { share: one(".share"), rate: one(".rate"), errors: one(".errors"), median: one(".median"), slowest: one(".slowest") } };
}

function slider(input, mine, key, words, label) {
  const output = input.parentElement.querySelector("output");
  const title = input.parentElement.querySelector("label");
  input.id = `${key}-${label}`.replaceAll(/\W+/g, "-").toLowerCase();
  title.htmlFor = output.htmlFor = input.id;
  input.setAttribute("aria-label", label);
  const show = () => {
    const value = Number(input.value);
    output.textContent = words(value);
    input.setAttribute("aria-valuetext", words(value));
    input.style.setProperty("--at", `${(100 * value) / input.max}%`);
  };
  input.value = mine[key];
  show();
  input.addEventListener("input", () => {
    mine[key] = Number(input.value);
    show();
    keep();
  });
}

function buttons(card, name) {
  const told = card.querySelector(".told");
  for (const { name: scenario, title, about, scope } of scenarios) {
    if (NOT_OFFERED.includes(scenario)) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.title = about;
    button.dataset.scenario = scenario;
    if (scope === "request") {
      button.setAttribute("aria-pressed", String(setting(name).scenario === scenario));
      button.addEventListener("click", () => {
        const mine = setting(name);
        mine.scenario = mine.scenario === scenario ? "" : scenario;
        keep();
        for (const other of card.querySelectorAll(".each button")) {
          other.setAttribute("aria-pressed", String(other.dataset.scenario === mine.scenario));
        }
        told.textContent = mine.scenario ? `${about} Sent with each request to ${name}.` : `${name} is left alone.`;
      });
    } else {
      button.addEventListener("click", () => onePod(button, name, scenario, `${title}, one pod of ${name}: ${about}`, told));
    }
    card.querySelector(scope === "request" ? ".each .chaos" : ".one .chaos").append(button);
  }
  const heal = document.createElement("button");
  heal.type = "button";
  heal.textContent = "Heal";
  heal.title = "End the scenario of the pod that answers.";
  heal.addEventListener("click", () => onePod(heal, name, "none", `A pod of ${name} is left alone.`, told));
  card.querySelector(".one .chaos").append(heal);
}

async function onePod(button, version, scenario, done, told) {
  button.disabled = true;
  let text = `No pod of ${version} answered in ${MOST_TRIES} tries; press again.`;
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    try {
      const response = await fetch("api/scenario", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ scenario, version }),
      });
      if (response.status === 409) continue;
      text = response.ok ? done : await response.text();
    } catch {
      text = "The server did not answer; press again.";
    }
    break;
  }
  told.textContent = text;
  button.disabled = false;
}

/* Saying */

const percent = (part, whole) => (whole ? Math.round((100 * part) / whole) : 0);
const ms = (value) => (value === undefined ? "–" : value < 10 ? `${value.toFixed(1)} ms` : value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);

function say() {
  const { sums, all, seconds } = summed();
  for (const [version, { answers, errors }] of sums) {
    const share = percent(answers, all);
    const { said } = version;
    set(version.percent, `${share} %`);
    set(said.share, `${share} %`);
    set(said.rate, (answers / seconds).toFixed(answers / seconds < 10 ? 1 : 0));
    set(said.errors, answers ? `${percent(errors, answers)} %` : "–");
    const latencies = answers ? [...version.latencies].sort((a, b) => a - b) : [];
    set(said.median, ms(latencies[Math.floor(latencies.length * 0.5)]));
    set(said.slowest, ms(latencies[Math.floor(latencies.length * 0.95)]));
    version.card.classList.toggle("away", !answers);
    version.share.hidden = !answers;
    version.part.style.flexGrow = String(answers);
  }
  set(by("pace-now"), paused ? "paused" : unanswered >= 3 ? "no answer" : `${(all / seconds).toFixed(0)} answers a second`);
}

function speak() {
  const { sums, all } = summed();
  const parts = [];
  for (const [{ name }, { answers, errors }] of sums) {
    if (answers) parts.push(`${name} ${percent(answers, all)} %${errors ? ` with ${percent(errors, answers)} % errors` : ""}`);
  }
  set(by("spoken"), unanswered >= 3 ? "The server does not answer." : parts.length ? `Last ten seconds: ${parts.join(", ")}.` : "");
}

/* The page's own controls */

const rate = by("rate");
const showRate = () => {
  set(by("rate-said"), String(settings.rate));
  rate.style.setProperty("--at", `${((settings.rate - 1) / 99) * 100}%`);
};
rate.value = settings.rate;
showRate();
rate.addEventListener("input", () => {
  settings.rate = Number(rate.value);
  showRate();
  keep();
});
by("pause").addEventListener("click", () => {
  paused = !paused;
  by("pause").setAttribute("aria-pressed", String(paused));
  say();
});

async function start() {
  for (;;) {
    try {
      const response = await fetch("api/scenario", { cache: "no-store" });
      const { version, scenarios: all } = await response.json();
      scenarios = all;
      versionOf(version);
      break;
    } catch {
      by("gone").hidden = false;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
  by("gone").hidden = true;
  setInterval(tick, TICK_MS);
  setInterval(say, SAY_EVERY_MS);
  setInterval(speak, SPEAK_EVERY_MS);
}
start();
