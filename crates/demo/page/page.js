// The demo's page: shows the state that the server tells, whole each time, so
// that it is right after a reload and after the server was away. All text that
// comes from elsewhere is set as text.
import { Field, colorOf } from "./field.js";

const LATE_MS = 100;
// The server says something a few times a second.
const GONE_AFTER_MS = 3_000;
const RETRY_MS = 1_000;
const SLIDE_EVERY_MS = 150;
// A slider that was moved here is not moved back by a state on its way.
const SLIDER_REST_MS = 1_500;
const MOST_MEASUREMENTS = 60;
const MOST_FINDINGS = 12;

const by = (id) => document.getElementById(id);
const field = new Field(by("field"));
const ARMS = ["stable", "canary"];
// The last version of each.
const answered = new Map();
let state = null;
let ahead = 0;
let heard = 0;
let movedAt = 0;

/* Small things */

// Logs are written by strangers: what would turn the text around, or hide in
// it, is made visible. (Tabs and newlines stay.)
const tame = (text) => String(text).replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");

function set(node, text) {
  const wanted = tame(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = tame(text);
  return node;
}

const SIGNS = {
  tick: "M2 8.5 6 12.5 14 3.5",
  cross: "M3 3 13 13M13 3 3 13",
  pause: "M5 2.5V13.5M11 2.5V13.5",
  dots: "M3 8h.01M8 8h.01M13 8h.01",
  dash: "M3 8H13",
  query: "M5 5.5a3 3 0 1 1 4.2 2.7C8.3 8.7 8 9.2 8 10.2M8 13.4v.01",
};

function sign(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SIGNS[name]);
  path.setAttribute("fill", "none");
  path.setAttribute("stroke", "currentColor");
  path.setAttribute("stroke-width", "2.5");
  path.setAttribute("stroke-linecap", "round");
  path.setAttribute("stroke-linejoin", "round");
  svg.append(path);
  return svg;
}

const whole = (value) => Number(value ?? 0).toLocaleString("en", { maximumFractionDigits: 0 }).replaceAll(",", " ");
const ms = (value) => (value === null || value === undefined ? "–" : value < 10 ? `${value.toFixed(1)} ms` : value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);
const clock = (value) => {
  const seconds = Math.max(0, Math.round(value / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

// Makes a list only when what it shows has changed: a reader's place stays.
const shown = new WeakMap();
function list(node, items, key, build) {
  const wanted = JSON.stringify(items.map(key));
  if (shown.get(node) === wanted) return;
  shown.set(node, wanted);
  node.replaceChildren(...items.map(build));
}

/* The outcome */

function outcome() {
  const { phase, release } = state;
  const stable = state.arms.stable?.version ?? "";
  const last = state.measurements.at(-1);
  const words = {
    idle: [stable ? `${stable} serves everybody` : "Starting", "Release a good or a bad version, and watch it being judged.", "dash"],
    progressing: [`Trying ${release?.version} with ${release?.weight}\u00a0% of the requests`, last?.message ?? "The first measurement is under way.", "dots"],
    promoted: [`Promoted: ${release?.version} serves everybody`, release?.why ?? "", "tick"],
    aborted: [`Rolled back: ${release?.from} serves everybody`, release?.why ?? "", "cross"],
    paused: [`Paused: nobody knows yet about ${release?.version}`, release?.why ?? last?.message ?? "", "pause"],
  }[phase] ?? [phase, "", "query"];
  const box = by("outcome");
  box.dataset.phase = phase;
  const serves = phase === "promoted" || phase === "progressing" || phase === "paused" ? release?.version : phase === "aborted" ? release?.from : stable;
  box.style.setProperty("--of", colorOf(serves ?? ""));
  if (by("mark").dataset.sign !== words[2]) {
    by("mark").dataset.sign = words[2];
    by("mark").replaceChildren(sign(words[2]));
  }
  set(by("headline"), words[0]);
  set(by("why"), words[1]);
  document.title = phase === "idle" ? "canary-judge demo" : tame(`${words[0]} · canary-judge demo`);
  waits();
}

// Why it waits stands above; here is until when.
function waits() {
  const last = state?.measurements.at(-1);
  const until = state?.phase === "progressing" && last?.phase === "Running" ? last.waits_until_ms : null;
  by("waits").hidden = !until;
  if (!until) return;
  const now = Date.now() + ahead;
  const left = Math.max(0, until - now);
  const share = until > last.at_ms ? 1 - left / (until - last.at_ms) : 1;
  by("waits-bar").style.setProperty("--at", `${Math.round(100 * Math.min(1, Math.max(0, share)))}%`);
  set(by("waits-said"), left > 0 ? `looks again in ${Math.ceil(left / 1000)} s` : "looks again now");
}

/* The steps */

function steps() {
  const release = state.release;
  const weights = release?.steps ?? [20, 40, 60, 80, 100];
  const is = (at) => {
    if (!release) return "later";
    if (state.phase === "promoted" || at < release.step) return "done";
    if (at > release.step) return "later";
    return state.phase === "progressing" || state.phase === "paused" ? "now" : "stopped";
  };
  const items = weights.map((weight, at) => ({ weight, is: is(at) }));
  by("steps").style.setProperty("--of", release ? colorOf(release.version) : "var(--line)");
  list(by("steps"), items, (item) => item, ({ weight, is }, at) => {
    const item = make("li");
    item.dataset.is = is;
    item.append(make("span", "", `${weight} %${is === "stopped" ? " ✕" : ""}`));
    if (is === "now" || is === "stopped") item.setAttribute("aria-current", "step");
    item.setAttribute("aria-label", `Step ${at + 1}, ${weight} %: ${{ done: "passed", now: "under way", stopped: "stopped here", later: "not yet" }[is]}`);
    return item;
  });
}

/* Both versions */

const cards = new Map();

function arm(name) {
  const box = by(name);
  const is = state.arms[name];
  let card = cards.get(name);
  if (!card) {
    box.append(by("arm").content.cloneNode(true));
    card = Object.fromEntries(["role", "name", "weight", "requests", "errors", "p50", "p99", "pods"].map((part) => [part, box.querySelector(`.${part}`)]));
    card.inputs = ["error_percent", "latency_ms"].map((key) => slider(box, name, key));
    set(card.role, name === "stable" ? "Stable" : "Canary");
    cards.set(name, card);
  }
  box.classList.toggle("none", !is);
  box.style.setProperty("--of", is ? colorOf(is.version) : "var(--well)");
  set(card.name, is?.version ?? "no canary");
  const under = state.release && ["progressing", "paused"].includes(state.phase);
  const weight = name === "canary" ? (under ? state.release.weight : 0) : under ? 100 - state.release.weight : 100;
  set(card.weight, is ? `${weight} %` : "");
  set(card.requests, is ? whole(is.requests) : "–");
  set(card.errors, is ? `${whole(is.errors)}${is.requests ? ` (${((100 * is.errors) / is.requests).toFixed(1)} %)` : ""}` : "–");
  set(card.p50, ms(is?.requests ? is.p50_ms : null));
  set(card.p99, ms(is?.requests ? is.p99_ms : null));
  list(card.pods, is?.pods ?? [], ({ name, ready, restarts, reason }) => [name, ready, restarts, reason], pod);
  for (const { key, input, show } of card.inputs) {
    input.disabled = !is;
    if (performance.now() - movedAt > SLIDER_REST_MS) {
      const value = String(state.sliders?.[name]?.[key] ?? 0);
      if (input.value !== value) {
        input.value = value;
        show();
      }
    }
  }
}

// What the kubelet calls a container that is on its way.
const STARTING = ["ContainerCreating", "PodInitializing", "Pending"];

function pod({ name, ready, restarts, reason }) {
  const item = make("li");
  const is = ready ? "ready" : reason && !STARTING.includes(reason) ? "down" : "starting";
  item.dataset.is = is;
  item.append(sign({ ready: "tick", down: "cross", starting: "dots" }[is]));
  const number = /-(\d+)$/.exec(name)?.[1];
  const again = restarts ? `, ${restarts} restart${restarts === 1 ? "" : "s"}` : "";
  item.append(make("span", "", `${number === undefined ? name : `pod ${Number(number)}`} ${reason ?? is}${again}`));
  item.title = tame(name);
  return item;
}

function slider(box, name, key) {
  const input = box.querySelector(`.${key}`);
  const output = input.parentElement.querySelector("output");
  const words = key === "error_percent" ? (value) => `${value} %` : (value) => `${value} ms`;
  input.id = `${name}-${key}`;
  input.parentElement.querySelector("label").htmlFor = output.htmlFor = input.id;
  input.setAttribute("aria-label", `${key === "error_percent" ? "Errors" : "Added latency"} of ${name}`);
  const show = () => {
    set(output, words(Number(input.value)));
    input.setAttribute("aria-valuetext", words(Number(input.value)));
    input.style.setProperty("--at", `${(100 * input.value) / input.max}%`);
  };
  show();
  input.addEventListener("input", () => {
    movedAt = performance.now();
    show();
    slide();
  });
  return { key, input, show };
}

let sliding = false;
function slide() {
  if (sliding) return;
  sliding = true;
  setTimeout(() => {
    sliding = false;
    const sliders = {};
    for (const name of ARMS) {
      sliders[name] = Object.fromEntries((cards.get(name)?.inputs ?? []).map(({ key, input }) => [key, Number(input.value)]));
    }
    post("api/sliders", sliders);
  }, SLIDE_EVERY_MS);
}

/* What the plugin said, and found */

const PHASES = { Running: "dots", Successful: "tick", Failed: "cross", Inconclusive: "query", Error: "cross" };

function measurements() {
  const newest = state.measurements.slice(-MOST_MEASUREMENTS).reverse();
  const started = state.release?.started_ms ?? 0;
  list(by("measurements"), newest, ({ at_ms, phase, message, weight, confidence }) => [at_ms, phase, message, weight, confidence], (measurement) => {
    const item = make("li");
    item.dataset.phase = measurement.phase in PHASES ? measurement.phase : "other";
    const time = make("time", "", clock(measurement.at_ms - started));
    const line = make("p");
    const phase = make("span", "phase");
    phase.append(sign(PHASES[measurement.phase] ?? "query"), make("span", "", measurement.phase));
    const sure = typeof measurement.confidence === "number" ? `, ${Math.round(100 * measurement.confidence)} % sure` : "";
    line.append(phase, " ", make("span", "at", `at ${measurement.weight} %${sure}`));
    item.append(time, line, make("p", "message", measurement.message));
    return item;
  });
}

function findings() {
  list(by("findings"), state.findings.slice(0, MOST_FINDINGS), (finding) => finding, (finding) => {
    const item = make("li");
    item.append(make("p", "quiet", `${finding.class} #${finding.id}`), make("p", "what", finding.what));
    // What is only told, and speaks for no fault.
    item.classList.toggle("mild", /no sign of failure/.test(finding.class));
    if (finding.canary || finding.stable) {
      const counts = make("p", "counts");
      counts.append(make("span", "", `canary ${finding.canary || "none"}`), make("span", "", `stable ${finding.stable || "none"}`));
      item.append(counts);
    }
    if (finding.sample) item.append(make("pre", "", finding.sample));
    return item;
  });
}

/* Controls */

function controls() {
  const under = state.phase === "progressing" || state.phase === "paused";
  for (const id of ["good", "bad", "release"]) by(id).disabled = under;
  by("rollback").disabled = !under;
  by("kill").disabled = !state.plugin?.pid;
  const model = state.model ?? { kind: "none" };
  by("model").hidden = model.kind === "none";
  by("model").setAttribute("aria-pressed", String(!model.up));
  const chosen = by("scenario").value;
  list(by("scenario"), state.scenarios, (scenario) => scenario, ({ name, title, expect }) => {
    const option = make("option", "", `${title} (${{ promote: "goes through", abort: "goes back", inconclusive: "stays open" }[expect] ?? expect})`);
    option.value = name;
    return option;
  });
  if (chosen && state.scenarios.some(({ name }) => name === chosen)) by("scenario").value = chosen;
  const plugin = state.plugin?.pid ? `Plugin: process ${state.plugin.pid}, started ${state.plugin.launches === 1 ? "once" : `${state.plugin.launches} times`}.` : "Plugin: not running; it starts with the next measurement.";
  set(by("parts"), model.kind === "none" ? plugin : `${plugin} Model: ${model.kind}, ${model.up ? "in reach" : "cut off"}.`);
}

async function post(path, body) {
  try {
    const response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) });
    set(by("told"), response.ok ? "" : (await response.text()).slice(0, 400));
    return response.ok;
  } catch {
    set(by("told"), "The demo did not answer.");
    return false;
  }
}

const release = (wanted) => {
  const found = state?.scenarios.find(wanted);
  if (found) post("api/release", { scenario: found.name });
};
by("good").addEventListener("click", () => release(({ name }) => name === "good"));
by("bad").addEventListener("click", () => release(({ name }) => name === "bad"));
by("release").addEventListener("click", () => release(({ name }) => name === by("scenario").value));
by("rollback").addEventListener("click", () => post("api/rollback"));
by("kill").addEventListener("click", async () => {
  if (await post("api/plugin/kill")) set(by("told"), "The plugin was killed; the next measurement starts it again.");
});
by("model").addEventListener("click", () => post("api/model", { up: !state?.model.up }));

/* Listening */

function show(next) {
  state = next;
  ahead = state.now_ms - Date.now();
  for (const name of ARMS) {
    if (state.arms[name]) answered.set(name, state.arms[name].version);
  }
  field.order = ARMS.map((name) => state.arms[name]?.version).filter(Boolean);
  outcome();
  steps();
  ARMS.forEach(arm);
  controls();
  findings();
  measurements();
}

function alive() {
  heard = performance.now();
  by("gone").hidden = true;
  set(by("link"), "live");
}

function listen() {
  const events = new EventSource("events");
  events.addEventListener("state", (event) => {
    alive();
    show(JSON.parse(event.data));
  });
  events.addEventListener("squares", (event) => {
    alive();
    for (const [name, status, took] of JSON.parse(event.data).squares) {
      // Answers of a canary that has just become stable, or has gone.
      const version = answered.get(name);
      if (!version) continue;
      field.add(version, status >= 500 ? "error" : took >= LATE_MS ? "late" : "ok");
    }
  });
  events.addEventListener("error", () => {
    // It tries again by itself, except after an answer that is none.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
  });
}

setInterval(() => {
  waits();
  if (performance.now() - heard > GONE_AFTER_MS) {
    by("gone").hidden = false;
    set(by("link"), "no answer");
  }
}, 500);
heard = performance.now();
listen();
