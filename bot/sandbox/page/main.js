// The page: who looks, at what, and what the server says of it.

import { $, h, still } from "./dom.js";
import * as api from "./api.js";
import { ask } from "./confirm.js";
import { icon } from "./icons.js";
import * as chat from "./chat.js";
import * as hood from "./hood.js";
import { renderModal } from "./modal.js";
import { renderPlatform } from "./platform.js";
import { renderTamper, setUpTamper } from "./tamper.js";
import { clock, countdown, day, span } from "./text.js";
import { setUpTour, tourTick } from "./tour.js";

let stop = () => {};
let heard = 0; // performance.now() when the state was told

export const app = {
  state: null,
  who: "U01AGENT",
  place: "C02REV",
  thread: null,
  read: new Map(), // "person/place" -> the newest message seen there

  become(who) {
    if (who === app.who && app.state) return;
    app.who = who;
    app.thread = null;
    stop();
    stop = api.live(who, told, lost);
  },

  go(place) {
    app.place = place;
    app.thread = null;
    app.pane("chat");
    if (place === chat.HOME) app.act("home");
    render();
  },

  openThread(ts) {
    app.thread = ts;
    render();
    if (ts) $("thread").focus({ preventScroll: true });
  },

  // Something a person does. What goes wrong is said; what comes of it, the next state shows.
  async act(what, more = {}) {
    const answer = await api.act(app.who, what, more);
    if (answer.error && answer.error !== "incomplete") app.toast(explain(answer.error));
    return answer;
  },

  async skip(minutes) {
    const answer = await api.skip(minutes);
    if (answer.error) app.toast(explain(answer.error));
    else app.announce(`${span(answer.skipped + 500)} later`);
    return answer;
  },

  async reset(sure = false) {
    const yes = sure || (await ask({
      title: "Start over?",
      text: "The workspace, the platform and the ledger begin anew. Nothing of this is kept.",
      yes: "Start over", no: "Not now",
    }));
    if (!yes) return false;
    app.read.clear();
    app.thread = null;
    await api.reset();
    return true;
  },

  suggest(text) {
    const input = $("say");
    input.value = text;
    input.focus();
    input.setSelectionRange(text.length, text.length);
  },

  startTour: () => {},

  announce(text, now = false) {
    const box = $(now ? "alert" : "status");
    box.textContent = "";
    setTimeout(() => { box.textContent = text; }, 40);
  },

  toast(text) {
    const box = $("toast");
    box.textContent = text;
    box.hidden = false;
    clearTimeout(box.timer);
    box.timer = setTimeout(() => { box.hidden = true; }, 7000);
  },

  now: () => (app.state ? app.state.now + performance.now() - heard : Date.now()),

  pane(name) {
    document.body.dataset.pane = name;
    for (const tab of document.querySelectorAll("#tabs button")) {
      if (tab.dataset.pane === name) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    if (name === "hood") app.openHood(true);
    else if (narrow.matches) app.openHood(false);
  },
  paneOpen: (name) => !narrow.matches || document.body.dataset.pane === name,

  hoodOpen: () => document.body.classList.contains("with-hood"),
  openHood(open) {
    document.body.classList.toggle("with-hood", open);
    $("hood").hidden = !open;
    $("hood-toggle").setAttribute("aria-expanded", String(open));
    if (open && app.state) hood.renderHood(app.state, app);
  },
};

const narrow = window.matchMedia("(max-width: 819px)");

function explain(error) {
  const known = {
    dispatch_failed: "The bot answered with an error: see “Under the hood”.",
    operation_timeout: "The bot did not answer within three seconds.",
  };
  return known[error] ?? error[0].toUpperCase() + error.slice(1);
}

function told(state) {
  if (state.who !== app.who) return;
  const first = !app.state;
  const another = app.state?.who !== state.who || app.state.world !== state.world;
  if (app.state && app.state.world !== state.world) {
    app.read.clear();
    app.thread = null;
  }
  app.state = state;
  heard = performance.now();
  document.body.classList.remove("lost");
  if (first) document.body.classList.add("ready");
  if (app.place === chat.HOME && another) app.act("home");
  render();
}

function lost() {
  document.body.classList.add("lost");
}

function render() {
  const { state } = app;
  if (!state) return;
  const ctx = {
    who: state.who,
    now: state.now,
    names: state.screen.names,
    people: Object.fromEntries(state.people.map((p) => [p.id, p])),
    click: (where, action_id, value) => app.act("click", { where: at(where), action_id, value: value ?? null }),
    choose: (where, action_id, choice) => app.act("choose", { where: at(where), action_id, choice }),
  };
  if (!chat.places(state).some((p) => p.id === app.place)) app.place = state.review;
  chat.renderPeople(state, app);
  const place = chat.renderTimeline(state, ctx, app);
  chat.renderPlaces(state, app);
  chat.renderThread(place, state, ctx, app);
  renderModal(state.screen.views, ctx, app);
  renderPlatform(state, app);
  renderClock();
  hood.renderHood(state, app);
  renderTamper(state, app);
  renderStopped(state);
  tourTick(app);
}

// The bot does not go on from a broken trail; the page says so.
function renderStopped({ stopped }) {
  $("stopped").hidden = !stopped;
  const why = stopped.replaceAll("`", "");
  $("stopped-why").textContent = why && `${why[0].toUpperCase()}${why.slice(1)}.`;
}

const at = ({ view, channel, ts }) => (view ? { view } : { channel, ts });

// --- the clock ------------------------------------------------------------------------------------

function renderClock() {
  const { state } = app;
  const now = app.now();
  $("clock-time").textContent = clock(now, true);
  $("clock-day").textContent = day(now, { weekday: "short", day: "numeric", month: "short" });
  const ahead = $("clock-ahead");
  ahead.textContent = state.skipped > 999 ? `${span(state.skipped + 30_000)} ahead` : "";
  const [next] = state.cooling.filter((c) => c.eta > now);
  const box = $("cooling");
  box.hidden = !next;
  document.body.classList.toggle("is-cooling", Boolean(next));
  if (!next) return;
  const left = next.eta - now;
  $("cooling-what").textContent = `${next.id} cools off`;
  $("cooling-left").textContent = countdown(left);
  const share = Math.min(1, Math.max(0, 1 - left / (next.eta - next.since)));
  $("cooling-ring").style.setProperty("--share", String(share));
}

function setUpClock() {
  setInterval(() => app.state && renderClock(), 500);
  $("skip-cooling").addEventListener("click", () => app.skip());
  const menu = $("skip-menu");
  const opener = $("skip-open");
  const show = (open) => {
    menu.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) menu.querySelector("button").focus();
  };
  opener.addEventListener("click", () => show(menu.hidden));
  menu.addEventListener("click", (event) => {
    const minutes = Number(event.target.closest("button")?.dataset.minutes);
    if (!minutes) return;
    show(false);
    opener.focus();
    app.skip(minutes);
  });
  $("clock").addEventListener("keydown", (event) => {
    if (menu.hidden || event.key !== "Escape") return;
    show(false);
    opener.focus();
  });
  $("clock").addEventListener("focusout", (event) => {
    if (!menu.hidden && !$("clock").contains(event.relatedTarget)) show(false);
  });
}

// --- light and dark -------------------------------------------------------------------------------

const dark = window.matchMedia("(prefers-color-scheme: dark)");

function setUpTheme() {
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    const theme = chosen ?? (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    const other = theme === "dark" ? "light" : "dark";
    $("theme").replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
    $("theme").setAttribute("aria-label", `Switch to ${other}`);
    if (app.state) renderPlatform(app.state, app);
  };
  $("theme").addEventListener("click", () => {
    localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
  dark.addEventListener("change", apply);
  apply();
}

// --- all together ---------------------------------------------------------------------------------

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));
setUpTheme();
setUpClock();
chat.setUpComposer(app);
chat.setUpThread(app);
hood.setUpHood(app);
setUpTamper(app);
setUpTour(app);
$("reset").addEventListener("click", () => app.reset());
$("hood-toggle").addEventListener("click", () => {
  app.openHood(!app.hoodOpen());
  if (app.hoodOpen()) document.querySelector("#hood-tabs [aria-selected=true]").focus();
});
$("hood-close").addEventListener("click", () => {
  if (narrow.matches) app.pane("chat");
  app.openHood(false);
  $("hood-toggle").focus();
});
$("who-select").addEventListener("change", (event) => app.become(event.target.value));
for (const tab of document.querySelectorAll("#tabs button")) {
  tab.addEventListener("click", () => { app.pane(tab.dataset.pane); render(); });
}
narrow.addEventListener("change", () => {
  if (!narrow.matches && document.body.dataset.pane === "hood") app.pane("chat");
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && app.thread && $("thread").contains(document.activeElement)) $("thread-close").click();
});
app.pane("chat");
hood.show("entries", { ...app, state: { hood: { deliveries: 0, calls: 0, entries: 0 }, tampered: [], people: [] }, hoodOpen: () => false });
document.body.classList.toggle("still", still());
document.body.append(h("div", { id: "tour-layer" }));
app.become(app.who);
