// Under the hood: every signed delivery, every call of the API, every entry of the ledger.

import { $, h } from "./dom.js";
import * as api from "./api.js";
import { icon } from "./icons.js";
import { clock } from "./text.js";

const KINDS = {
  deliveries: { title: "Deliveries", about: "What the workspace sends to the bot: signed, as Slack signs it.", row: deliveryRow, detail: deliveryDetail },
  calls: { title: "API calls", about: "What the bot asks of the workspace, and what it is answered.", row: callRow, detail: callDetail },
  entries: { title: "Ledger", about: "The append-only trail: one entry for each event, in canonical bytes. What may have to be erased one day is sealed.", row: entryRow, detail: entryDetail },
};

// A tab beside them, with a panel of its own: see tamper.js.
const TAMPER = { title: "Tamper", about: "Behind the bot's back: edit its database, as whoever runs the machine could." };
const TABS = { ...KINDS, tamper: TAMPER };

let kind = "entries";
let world = 0;
let tampered = 0; // how often the ledger was changed behind the bot's back
let rows = { deliveries: [], calls: [], entries: [] };
let chosen = { deliveries: null, calls: null, entries: null };
let reading = false;

export function setUpHood(app) {
  for (const name of Object.keys(TABS)) $(`tab-${name}`).addEventListener("click", () => show(name, app));
  $("hood-tabs").addEventListener("keydown", (event) => {
    const names = Object.keys(TABS);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(kind) + step + names.length) % names.length];
    show(next, app);
    $(`tab-${next}`).focus();
  });
}

export function show(name, app) {
  kind = name;
  for (const one of Object.keys(TABS)) {
    const on = one === name;
    $(`tab-${one}`).setAttribute("aria-selected", String(on));
    $(`tab-${one}`).tabIndex = on ? 0 : -1;
  }
  $("hood-about").textContent = TABS[name].about;
  $("hood-panel").hidden = name === "tamper";
  $("tamper-panel").hidden = name !== "tamper";
  if (name === "tamper") return;
  $("hood-panel").setAttribute("aria-labelledby", `tab-${name}`);
  draw(app);
  renderHood(app.state, app);
}

export async function renderHood(state, app) {
  for (const name of Object.keys(KINDS)) $(`count-${name}`).textContent = String(state.hood[name]);
  if (!app.hoodOpen()) return;
  if (world !== state.world) {
    world = state.world;
    rows = { deliveries: [], calls: [], entries: [] };
    chosen = { deliveries: null, calls: null, entries: null };
    tampered = 0;
    if (kind !== "tamper") draw(app);
  }
  if (tampered !== state.tampered.length) {
    tampered = state.tampered.length;
    rows.entries = []; // some are others now
    $("hood-detail").dataset.sign = "";
  }
  if (reading || kind === "tamper") return;
  reading = true;
  const read = kind;
  try {
    while (last(read) < app.state.hood[read]) { // not how many: one may be missing
      const answer = await api.hood(read, last(read));
      if (answer.world !== world || !answer.rows.length) break;
      rows[read].push(...answer.rows);
    }
  } finally {
    reading = false;
  }
  if (read === kind) draw(app);
  else renderHood(app.state, app);
}

const last = (name) => rows[name].at(-1)?.n ?? 0;

function draw(app) {
  const list = $("hood-list");
  const { row } = KINDS[kind];
  const all = rows[kind];
  const at = chosen[kind] ?? all.at(-1)?.n ?? null;
  const low = list.scrollHeight - list.scrollTop - list.clientHeight < 60 || list.dataset.kind !== kind;
  const focused = list.contains(document.activeElement);
  list.dataset.kind = kind;
  list.replaceChildren(...all.map((one) => h(
    "li",
    {},
    h(
      "button.hood-row",
      {
        type: "button", "aria-pressed": String(one.n === at),
        onclick: () => { chosen[kind] = one.n; draw(app); },
      },
      h("time", {}, clock(one.at, true)),
      row(one, app),
    ),
  )));
  if (focused) list.querySelector("[aria-pressed=true]")?.focus();
  if (low) list.scrollTop = list.scrollHeight;
  const one = all.find((r) => r.n === at);
  const detail = $("hood-detail");
  const sign = `${world}/${kind}/${at}/${one?.status ?? ""}`;
  if (detail.dataset.sign === sign) return;
  detail.dataset.sign = sign;
  detail.replaceChildren(...(one ? KINDS[kind].detail(one, app) : [h("p.hood-none", {}, "Nothing yet.")]));
  detail.scrollTop = 0;
}

const nameOf = (id, app) => app.state.people.find((p) => p.id === id)?.name ?? id;

function deliveryRow(one, app) {
  const good = one.status >= 200 && one.status < 300;
  return [
    h("span.hood-what", {}, h("b", {}, one.kind), one.who ? ` · ${nameOf(one.who, app)}` : ""),
    h(good ? "span.status there" : "span.status gone", {}, `${one.status || "no answer"}`),
    h("span.hood-ms", {}, `${one.ms} ms`),
  ];
}

function deliveryDetail(one) {
  return [
    h("h3", {}, "POST /slack/events"),
    h("dl.headers", {}, Object.entries(one.headers).flatMap(([k, v]) => [h("dt", {}, k), h("dd", {}, v)])),
    h("h3", {}, "Payload"), json(one.payload),
    h("h3", {}, `Answer: ${one.status}, after ${one.ms} ms`),
    one.answer === null ? h("p.hood-none", {}, "an empty acknowledgement") : json(one.answer),
    h("details", {}, h("summary", {}, "The bytes as sent"), h("pre.bytes", {}, one.body)),
  ];
}

function callRow(one) {
  const good = one.answer?.ok;
  return [
    h("span.hood-what", {}, h("b", {}, one.method)),
    h(good ? "span.status there" : "span.status gone", {}, good ? "ok" : one.answer?.error ?? "no answer"),
  ];
}

function callDetail(one) {
  return [h("h3", {}, one.method), json(opened(one.args)), h("h3", {}, "Answer"), json(one.answer)];
}

// Arguments that travel as JSON in a string, as what they are.
function opened(args) {
  return Object.fromEntries(Object.entries(args).map(([key, value]) => {
    if (typeof value === "string" && /^[[{]/.test(value)) {
      try {
        return [key, JSON.parse(value)];
      } catch { /* then it is a string */ }
    }
    return [key, value];
  }));
}

function entryRow(one, app) {
  return [
    h("span.hood-seq", {}, `#${one.seq}`),
    h("span.hood-what", {}, h("b", {}, one.kind), ` · ${nameOf(one.actor, app)}`),
    h("span.hood-stream", {}, `${one.stream}/${one.version}`),
  ];
}

function entryDetail(one) {
  const parts = [
    h("h3", {}, `Entry ${one.seq} · ${one.stream}, version ${one.version}`),
    json(JSON.parse(one.body)),
  ];
  if (one.openings.length) {
    parts.push(h("h3", {}, icon("lock"), " Kept beside it: what opens the seals"));
    parts.push(json(Object.fromEntries(one.openings.map((o) => [o.field, { salt: o.salt, value: o.value }]))));
  }
  parts.push(h("details", {}, h("summary", {}, "The exact bytes"), h("pre.bytes", {}, one.body)));
  return parts;
}

// JSON with its parts told apart; every part is text.
function json(value) {
  const made = h("pre.json");
  const text = JSON.stringify(value, null, 2) ?? "null";
  const parts = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  let at = 0;
  for (const found of text.matchAll(parts)) {
    made.append(text.slice(at, found.index));
    const kindOf = found[2] ? "key" : found[1] ? "string" : found[3] ? "word" : "number";
    made.append(h(`span.j-${kindOf}`, {}, found[1] ?? found[0]), found[2] ?? "");
    at = found.index + found[0].length;
  }
  made.append(text.slice(at));
  return made;
}
