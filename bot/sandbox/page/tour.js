// The guided tour: November 2017, told again. It clicks for the visitor, or lets them.

import { $, h, pause, still } from "./dom.js";
import { avatar, DM, mark, send } from "./chat.js";
import { icon } from "./icons.js";
import { enter } from "./modal.js";
import { choose } from "./platform.js";
import { show as showHood } from "./hood.js";
import { askMax, MAX, tamper } from "./tamper.js";

const [BRUNO, TESSA, OMAR, LENA] = ["U01AGENT", "U02REV", "U03REV", "U05LEGAL"];
const REQUEST = "/request-deactivate @president";

// --- looking at the state -------------------------------------------------------------------------

const channel = (app, id) => app.state.screen.channels.find((c) => c.id === id);
const card = (app) => channel(app, app.state.review)?.messages.find((m) => m.blocks?.[0]?.type === "header");
const cardText = (app) => JSON.stringify(card(app)?.blocks ?? "");
const headline = (app) => card(app)?.blocks[0].text.text ?? "";
const top = (app) => app.state.screen.views.at(-1);
const caught = (app) => channel(app, app.state.review)?.messages.some((m) => m.ephemeral && m.text.includes("not as it was"));
const refused = (app) => channel(app, app.state.review)?.messages.some((m) => m.ephemeral);

async function until(test, ms = 8000) {
  const end = performance.now() + ms;
  while (!test()) {
    if (performance.now() > end) throw new Error("the tour waited in vain");
    await pause(40);
  }
}

// --- doing it for the visitor ---------------------------------------------------------------------

const beat = (ms = 650) => pause(still() ? 60 : ms);

async function as(app, who, place) {
  app.become(who);
  await until(() => app.state.who === who);
  if (app.place !== place) app.go(place);
  app.pane("chat");
}

async function type(write, text) {
  if (still()) return write(text);
  for (let i = 1; i <= text.length; i += 1) {
    write(text.slice(0, i));
    await pause(16);
  }
  return undefined;
}

async function press(selector) {
  await until(() => [...document.querySelectorAll(selector)].some((b) => b.offsetParent));
  const button = [...document.querySelectorAll(selector)].filter((b) => b.offsetParent).at(-1);
  button.scrollIntoView({ block: "nearest" });
  button.classList.add("pressed");
  await beat(420);
  button.classList.remove("pressed");
  button.click();
}

async function afresh(app) {
  const { world } = app.state;
  await app.reset(true);
  await until(() => app.state.world > world);
}

async function closeForms(app) {
  while (top(app)) {
    const { id } = top(app);
    await app.act("close");
    await until(() => top(app)?.id !== id);
  }
}

async function approve(app, who) {
  await as(app, who, app.state.review);
  await beat();
  await press('#log [data-action="approve_form"]');
  await until(() => top(app)?.submit);
  await beat(900);
  await press('.modal button[type="submit"]');
  await until(() => top(app) && !top(app).submit);
  await beat(900);
  await closeForms(app);
}

// --- the steps ------------------------------------------------------------------------------------

const STEPS = [
  {
    title: "2 November 2017, the last hour",
    text: [
      "A support contractor, on his last day, deactivated the account of a sitting president. He was authorised. He broke no rule. He says he took it for one of many fakes, and nobody was looking. The account was gone for eleven minutes.",
      "Here is that hour again, on a small platform called Pipit. The bot, its database and its signatures are real; only the people are made up.",
    ],
    next: "Begin",
    async leave(app) {
      if (app.state.hood.deliveries || app.state.skipped > 999) await afresh(app);
      app.openHood(false);
      choose("acct-1000", app);
      await as(app, BRUNO, app.state.review);
    },
  },
  {
    who: BRUNO,
    title: "Bruno files a request",
    text: ["It is late. @pres1dent, a fake with 212 followers, promises free coins. Bruno means that one. He types @president, and to him it looks the same."],
    target: () => $("composer"),
    act: "Type it for Bruno",
    async run(app) {
      await as(app, BRUNO, app.state.review);
      const input = $("say");
      await type((text) => { input.value = text; }, REQUEST);
      await beat(300);
      await send(app);
    },
    done: (app) => (app.who === BRUNO && top(app)?.blocks.length > 3) || Boolean(card(app)),
  },
  {
    who: BRUNO,
    title: "The form shows what was found",
    text: ["43,600,000 followers. Verified. Public office. The form says so at once. Bruno, in a hurry, fills in the rest."],
    target: () => document.querySelector(".modal"),
    act: "Fill it in, and file",
    async run(app) {
      const fill = [["reason", "fake-account"], ["what", "Reported as a fake that promises free coins. Same text as last week."], ["ticket", "PIP-4711"]];
      for (const [block, value] of fill) {
        await type((text) => enter(block, "value", text), value);
        if (block === "reason") enter(block, "value", value);
        await beat(250);
      }
      await press('.modal button[type="submit"]');
      await until(() => Boolean(card(app)) && top(app) && !top(app).submit);
      await beat(800);
      await closeForms(app);
    },
    done: (app) => Boolean(card(app)) && !top(app),
  },
  {
    who: BRUNO,
    title: "He cannot be his own second person",
    text: ["In 2017 this would have been it. Here it is a card that everybody sees, and Bruno's own yes does not count. Let him try."],
    target: () => document.querySelector("#log .message.private") ?? document.querySelector("#log .card"),
    act: "Press Approve as Bruno",
    async run(app) {
      await as(app, BRUNO, app.state.review);
      await press('#log [data-action="approve_form"]');
    },
    done: (app) => app.who === BRUNO && refused(app),
    after: "Refused, with the reason, and only he sees it.",
  },
  {
    who: TESSA,
    title: "Two others, and one of them from legal",
    text: ["An account like this takes two approvals, one of them legal's. Tessa trusts Bruno; Lena trusts Tessa. People do. That is why it does not end here."],
    target: () => document.querySelector(".modal") ?? document.querySelector("#log .card"),
    act: "Approve as Tessa, then Lena",
    async run(app) {
      if (!cardText(app).includes("1 of 2")) await approve(app, TESSA);
      await until(() => cardText(app).includes("1 of 2"));
      await approve(app, LENA);
    },
    done: (app) => headline(app).includes("Cooling off") && !top(app),
  },
  {
    who: LENA,
    title: "Quorum, and still nothing happens",
    text: ["For thirty minutes the action cools off. No job can shorten that, and anybody who reviews can stop it. In the top tiers the bot writes to each of them, with the button."],
    target: () => (narrow() ? document.querySelector("#log .card") : $("cooling")),
    act: "See what Omar is told",
    async run(app) {
      await as(app, OMAR, DM);
      await beat();
    },
    done: (app) => app.who === OMAR && app.place === DM,
  },
  {
    who: OMAR,
    title: "Omar reads it letter by letter",
    text: ["@president, with an i. He looks at Pipit: forty-three million followers, since 2009. That is no fake. Nobody asked Omar for anything; he can stop it all the same, alone."],
    target: () => document.querySelector(".modal") ?? document.querySelector("#log .message:last-child"),
    act: "Veto as Omar",
    async run(app) {
      await as(app, OMAR, DM);
      await press('#log [data-action="veto"]');
      await until(() => top(app)?.submit);
      await beat(400);
      await type((text) => enter("reason", "value", text), "Wrong account: this is the President. The fake is @pres1dent, with a 1.");
      await beat(500);
      await press('.modal button[type="submit"]');
      await until(() => headline(app).includes("Vetoed"));
      await beat(700);
      await closeForms(app);
      app.go(app.state.review);
    },
    done: (app) => headline(app).includes("Vetoed") && !top(app),
  },
  {
    who: OMAR,
    title: "Time passes, and nothing comes of it",
    text: ["Let the thirty minutes go by. A vetoed request is over: no job wakes up, no late click revives it."],
    target: () => (narrow() ? document.querySelector("#clock") : $("clock")),
    act: "Skip 31 minutes",
    async run(app) {
      await app.skip(31);
      await beat(900);
    },
    done: (app) => app.state.skipped >= 30 * 60_000,
  },
  {
    who: MAX,
    title: "And if somebody rewrites it?",
    text: ["Every step stands in the ledger, with who and when. Whoever runs the machine can open that file, past the bot: let the veto be somebody else's there. Then Max, the manager, asks whether the trail is what it was."],
    target: () => document.querySelector("#log .message.private:last-child"),
    act: "Edit an entry, and ask as Max",
    async run(app) {
      if (!app.state.tampered.length) await tamper("edit", app);
      await askMax(app);
      await until(() => caught(app));
    },
    done: (app) => app.who === MAX && caught(app),
    after: "Found, and the entry is named. What an outsider keeps, in #anchors, finds even what was made to fit.",
  },
  {
    title: "Gone for zero minutes",
    text: [
      "The President never left Pipit, and nobody can quietly say that it was otherwise.",
      "Now it is yours. File against the fake, @pres1dent: one approval, five minutes, and it does go. Then restore it.",
    ],
    target: () => $("pipit"),
    pane: "pipit",
    next: "Try it yourself",
    extra: "Open the ledger",
    async extraRun(app) {
      if (narrow()) app.pane("hood");
      app.openHood(true);
      showHood("entries", app);
    },
    async leave(app) {
      app.openHood(false);
      if (app.state.tampered.length) await afresh(app);
      await as(app, BRUNO, app.state.review);
      choose("acct-1001", app);
      app.suggest("/request-deactivate @pres1dent");
    },
  },
];

const narrow = () => window.matchMedia("(max-width: 819px)").matches;

// --- showing them ---------------------------------------------------------------------------------

let at = -1;
let running = false;
let the = null; // app
let back = null;
let coach = null;
let light = null;

export function setUpTour(app) {
  the = app;
  app.startTour = () => begin();
  $("tour").addEventListener("click", () => begin());
}

function begin() {
  back = document.activeElement;
  const layer = $("tour-layer");
  light = h("div.spotlight.nowhere");
  coach = h("section.coach", { role: "dialog", "aria-label": "Guided tour", tabIndex: -1 });
  layer.replaceChildren(light, coach);
  document.body.classList.add("touring");
  coach.addEventListener("keydown", (event) => event.key === "Escape" && end());
  at = 0;
  draw();
  follow();
}

function end() {
  at = -1;
  document.body.classList.remove("touring");
  $("tour-layer").replaceChildren();
  if (back?.isConnected) back.focus();
}

function draw(done = false) {
  const step = STEPS[at];
  if (step.pane) the.pane(step.pane);
  const person = step.who && the.state.people.find((p) => p.id === step.who);
  const last = at === STEPS.length - 1;
  const main = step.act && !done
    ? h("button.btn.tone-primary", { type: "button", onclick: run, data: { tour: "act" } }, step.act)
    : h("button.btn.tone-primary", { type: "button", onclick: forward, data: { tour: "next" } }, step.next ?? "Go on");
  const extra = step.extra && h("button.btn.tone-plain", { type: "button", onclick: () => step.extraRun(the) }, step.extra);
  const hint = step.act && !done && h("p.coach-hint", {}, "Or do it yourself: the tour waits for you.");
  coach.classList.toggle("big", at === 0);
  coach.replaceChildren(
    h(
      "div.coach-head",
      {},
      person ? avatar(person.id, person.name) : h("span.coach-mark", {}, mark()),
      h("span.coach-step", {}, person ? `${person.name} · ${person.role}` : "The tour", h("small", {}, ` ${at + 1} of ${STEPS.length}`)),
      h("button.btn-bare", { type: "button", "aria-label": "Leave the tour", onclick: end }, icon("close")),
    ),
    h("h2", {}, step.title),
    ...step.text.map((text) => h("p", {}, text)),
    ...(done && step.after ? [h("p.coach-after", {}, icon("tick"), step.after)] : []),
    h("div.coach-buttons", {}, main, extra, hint),
    h("div.coach-bar", { "aria-hidden": "true" }, STEPS.map((_, i) => h(i <= at ? "i.on" : "i"))),
  );
  coach.dataset.done = String(done);
  coach.focus({ preventScroll: true });
}

async function run() {
  if (running) return;
  running = true;
  coach.classList.add("running");
  coach.querySelector('[data-tour="act"]')?.setAttribute("aria-busy", "true");
  try {
    await STEPS[at].run(the);
  } catch (error) {
    the.toast(`The tour lost its way (${error.message}). Start it again, or go on by hand.`);
  } finally {
    running = false;
    coach.classList.remove("running");
    coach.querySelector('[data-tour="act"]')?.removeAttribute("aria-busy");
    if (at >= 0) tourTick(the);
  }
}

async function forward() {
  const step = STEPS[at];
  if (step.leave) {
    coach.querySelector('[data-tour="next"]').setAttribute("aria-busy", "true");
    await step.leave(the);
  }
  if (at === STEPS.length - 1) {
    back = $("say");
    end();
    return;
  }
  at += 1;
  draw();
  tourTick(the);
}

// Called after every change: has the visitor, or the tour, done what the step is about?
export function tourTick(app) {
  if (at < 0 || running || !app.state) return;
  const step = STEPS[at];
  if (!step.done?.(app)) return;
  if (step.after) {
    if (coach.dataset.done !== "true") draw(true);
    return;
  }
  at += 1;
  draw();
}

// Keep the light on what the step is about, and the words out of its way.
function follow() {
  if (at < 0) return;
  const target = STEPS[at].target?.();
  const rect = target && inSight(target);
  const seen = rect && rect.width > 0 && rect.height > 0;
  light.classList.toggle("nowhere", !seen);
  if (seen) {
    const pad = 6;
    const topEdge = Math.max(4, rect.top - pad);
    const low = Math.min(innerHeight - 4, rect.bottom + pad);
    const left = Math.max(4, rect.left - pad);
    light.style.transform = `translate(${left}px, ${topEdge}px)`;
    light.style.width = `${Math.min(innerWidth - 4, rect.right + pad) - left}px`;
    light.style.height = `${low - topEdge}px`;
  }
  coach.classList.toggle("high", Boolean(seen) && rect.top > innerHeight / 2);
  if (!narrow()) place(seen ? rect : null);
  else coach.style.transform = "";
  requestAnimationFrame(follow);
}

// The part of an element that is not scrolled out of sight.
function inSight(element) {
  const { left, right, top, bottom, width } = element.getBoundingClientRect();
  const log = element.closest(".log")?.getBoundingClientRect() ?? { top: 0, bottom: innerHeight };
  const [high, low] = [Math.max(top, log.top), Math.min(bottom, log.bottom)];
  return { left, right, width, top: high, bottom: low, height: Math.max(0, low - high) };
}

function place(rect) {
  const { offsetWidth: w, offsetHeight: hgt } = coach;
  let x = (innerWidth - w) / 2;
  let y = (innerHeight - hgt) / 2;
  if (rect) {
    const gap = 18;
    const fits = {
      right: rect.right + gap + w < innerWidth - 8,
      left: rect.left - gap - w > 8,
      below: rect.bottom + gap + hgt < innerHeight - 8,
      above: rect.top - gap - hgt > 8,
    };
    const mid = (low, size, most) => Math.min(Math.max(8, low - size / 2), most - size - 8);
    if (fits.below && rect.height < 120) [x, y] = [mid(rect.left + rect.width / 2, w, innerWidth), rect.bottom + gap];
    else if (fits.above && rect.height < 160) [x, y] = [mid(rect.left + rect.width / 2, w, innerWidth), rect.top - gap - hgt];
    else if (fits.below && rect.width > 560) [x, y] = [mid(rect.left + rect.width / 2, w, innerWidth), rect.bottom + gap];
    else if (fits.above && rect.width > 560) [x, y] = [mid(rect.left + rect.width / 2, w, innerWidth), rect.top - gap - hgt];
    else if (fits.right) [x, y] = [rect.right + gap, mid(rect.top + rect.height / 2, hgt, innerHeight)];
    else if (fits.left) [x, y] = [rect.left - gap - w, mid(rect.top + rect.height / 2, hgt, innerHeight)];
    else [x, y] = [innerWidth - w - 24, innerHeight - hgt - 24];
  }
  coach.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}
