// The workspace: its places, the timeline of one of them, a thread, Home, and where one types.

import { $, h, keep } from "./dom.js";
import { icon } from "./icons.js";
import { blocks } from "./blockkit.js";
import { files } from "./files.js";
import { clock, day, mrkdwn, said } from "./text.js";

export const HOME = "home";
export const DM = "dm";

// --- who and where --------------------------------------------------------------------------------

const HUES = { U01AGENT: 28, U02REV: 158, U03REV: 205, U05LEGAL: 268, U09MANAGER: 340, U07GUEST: 80, U08OTHER: 0 };

export function avatar(id, name, bot = false) {
  const made = h(bot ? "span.avatar.bot" : "span.avatar", { "aria-hidden": "true" });
  if (bot) made.append(mark());
  else {
    made.append(name.slice(0, 1).toUpperCase());
    made.style.setProperty("--hue", HUES[id] ?? 220);
    if (id === "U08OTHER") made.classList.add("grey");
  }
  return made;
}

const otherApp = () => h("span.avatar.other-app", { "aria-hidden": "true" }, icon("scroll"));

export function mark() {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("viewBox", "0 0 32 32");
  made.setAttribute("class", "mark");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", "#mark");
  made.append(use);
  return made;
}

export function renderPeople(state, app) {
  const box = $("people");
  const items = state.people.map((person) => {
    const mine = person.id === state.who;
    const news = !mine && person.told > (app.read.get(`${person.id}/dm`) ?? "");
    return {
      key: person.id,
      sign: `${mine}${news}`,
      make: () => {
        const radio = h("input", {
          type: "radio", name: "who", value: person.id, checked: mine,
          id: `who-${person.id}`, data: { focus: "who" }, onchange: () => app.become(person.id),
        });
        const dot = news && h("span.news", { role: "img", "aria-label": "has a new message from the bot" });
        return h(
          "label.person",
          { htmlFor: `who-${person.id}`, title: person.may, data: { who: person.id } },
          radio,
          avatar(person.id, person.name),
          h("span.person-name", {}, h("b", {}, person.name), h("span", {}, person.role)),
          dot,
        );
      },
    };
  });
  keep(box, items);
  const select = $("who-select");
  if (select.options.length !== state.people.length) {
    select.replaceChildren(...state.people.map((p) => h("option", { value: p.id }, `${p.name} · ${p.role}`)));
  }
  select.value = state.who;
}

export function places(state) {
  const { channels, dm } = state.screen;
  return [
    ...channels.map((c) => ({ id: c.id, name: c.name, kind: "channel", private: c.private, channel: c })),
    { id: DM, name: "No Lone Zone", kind: "dm", channel: dm },
    { id: HOME, name: "Home", kind: "home", channel: null },
  ];
}

const newest = (channel) => channel?.messages.filter((m) => m.user !== channel.me).at(-1)?.ts ?? "";

export function renderPlaces(state, app) {
  const all = places(state);
  for (const place of all) {
    if (place.id === app.place && app.paneOpen("chat")) app.read.set(`${state.who}/${place.id}`, newest(place.channel));
  }
  const row = (place) => {
    const here = place.id === app.place;
    const fresh = newest(place.channel) > (app.read.get(`${state.who}/${place.id}`) ?? "");
    return {
      key: place.id,
      sign: `${here}${fresh}${place.name}`,
      make: () => h(
        "li",
        {},
        h(
          "button.place",
          {
            type: "button",
            "aria-current": here ? "page" : null,
            class: fresh ? "fresh" : "",
            data: { focus: "place", place: place.id },
            onclick: () => app.go(place.id),
          },
          place.kind === "dm" ? avatar("", "", true) : icon({ channel: place.private ? "lock" : "hash", home: "home" }[place.kind]),
          h("span", {}, place.name),
          fresh && h("span.news", { role: "img", "aria-label": "unread" }),
        ),
      ),
    };
  };
  keep($("channels"), all.filter((p) => p.kind === "channel").map(row));
  keep($("app-places"), all.filter((p) => p.kind !== "channel").map(row));
}

// --- the timeline ---------------------------------------------------------------------------------

const MEMBERS = "people in this channel";
let standing = { place: "", who: "", world: 0, seen: new Map() };

export function renderTimeline(state, ctx, app) {
  const place = places(state).find((p) => p.id === app.place) ?? places(state)[0];
  const title = $("place-title");
  title.replaceChildren(
    place.kind === "dm" ? avatar("", "", true) : icon({ channel: place.private ? "lock" : "hash", home: "home" }[place.kind]),
    place.name,
  );
  $("place-about").textContent = about(place, state);
  const log = $("log");
  const moved = standing.place !== place.id || standing.who !== state.who || standing.world !== state.world;
  if (moved) log.replaceChildren();
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (place.kind === "home") renderHome(log, state, ctx);
  else renderMessages(log, place.channel, state, ctx, app);
  $("composer").hidden = place.kind === "home";
  announceNews(place.channel, state, ctx, app, moved);
  if (moved || low) log.scrollTop = log.scrollHeight;
  standing = { ...standing, place: place.id, who: state.who, world: state.world };
  return place;
}

function about(place, state) {
  if (place.kind === "dm") return "Direct messages from the bot";
  if (place.kind === "home") return "What is open, and what you may do about it";
  const people = place.channel.members.filter((id) => state.people.some((p) => p.id === id)).length;
  return `${people} ${MEMBERS}`;
}

// A message as one string: another one when it has to be drawn anew.
const signOf = (message, ctx) => JSON.stringify([message, ctx.who]);

function renderMessages(log, channel, state, ctx, app) {
  const messages = channel?.messages ?? [];
  if (!messages.length) {
    keep(log, [{ key: "empty", sign: `${app.place}${state.who}`, make: () => empty(state, app) }]);
    return;
  }
  const items = [];
  let last = "";
  for (const message of messages) {
    const at = Number(message.ts) * 1000;
    const date = day(at, { weekday: "long", day: "numeric", month: "long" });
    if (date !== last) {
      last = date;
      items.push({ key: `day-${date}`, sign: date, make: () => h("div.day", { role: "separator" }, h("span", {}, date)) });
    }
    items.push({
      key: message.ts,
      sign: signOf(message, ctx) + (app.thread === message.ts),
      make: () => messageNode(message, ctx, app, true),
    });
  }
  keep(log, items);
}

function empty(state, app) {
  if (app.place === DM) {
    return h("div.empty", {}, icon("bubble"), h("p", {}, "Nothing yet. The bot writes here when something concerns you alone."));
  }
  const tour = h("button.btn.tone-primary", { type: "button", onclick: () => app.startTour() }, icon("tour"), "Take the tour");
  const file = h("button.btn.tone-plain", { type: "button", onclick: () => app.suggest("/request-deactivate @pres1dent") }, "File a request");
  return h(
    "div.empty",
    {},
    h("div.empty-mark", {}, mark()),
    h("h3", {}, "Nobody is alone with the controls"),
    h("p", {}, "An agent files. Others approve or veto. Time passes. Only then does anything happen, and it can be undone. This is the real bot, with a workspace and a platform of its own."),
    h("div.empty-buttons", {}, tour, file),
  );
}

function messageNode(message, ctx, app, withThread) {
  const other = message.subtype === "bot_message"; // another app, through its webhook
  const bot = Boolean(message.bot_id) && !other;
  const slackbot = message.user === "USLACKBOT";
  const at = Number(message.ts) * 1000;
  const name = bot ? "No Lone Zone" : slackbot ? "Slackbot" : ctx.people[message.user]?.name ?? message.name;
  const where = { channel: message.channel, ts: message.ts };
  const parts = [];
  if (message.ephemeral) parts.push(h("p.only-you", {}, icon("eye"), "Only visible to you"));
  if (message.broadcast && withThread) parts.push(h("p.only-you", {}, icon("thread"), h("button.linkish", { type: "button", onclick: () => app.openThread(message.thread_ts) }, "Replied to a thread")));
  parts.push(
    h(
      "p.by",
      {},
      h("b", {}, name),
      (bot || other) && h("span.tag", {}, other ? "another app" : "app"),
      h("time", { dateTime: new Date(at).toISOString(), title: `${day(at)} ${clock(at, true)}` }, clock(at)),
      message.edited && !message.blocks?.some((b) => b.type === "header") && h("span.edited", {}, "edited"),
    ),
  );
  const card = message.blocks?.[0]?.type === "header";
  if (message.blocks?.length) parts.push(h(card ? "div.bk.card" : "div.bk", {}, blocks(message.blocks, ctx, where)));
  else parts.push(h("div.bk", {}, h("div.bk-section", {}, h("div.bk-text", {}, mrkdwn(message.text, ctx)))));
  parts.push(...files(message, ctx.who));
  const replies = message.replies ?? [];
  if (withThread && replies.length) {
    const word = replies.length === 1 ? "reply" : "replies";
    const last = Number(replies.at(-1).ts) * 1000;
    parts.push(
      h(
        "button.replies",
        {
          type: "button",
          data: { focus: "thread" },
          "aria-expanded": String(app.thread === message.ts),
          "aria-controls": "thread",
          onclick: () => app.openThread(app.thread === message.ts ? null : message.ts),
        },
        icon("thread"),
        h("b", {}, `${replies.length} ${word}`),
        h("span", {}, `last at ${clock(last)}`),
      ),
    );
  }
  const kind = message.ephemeral ? "article.message.private" : "article.message";
  return h(kind, { "aria-label": `${name}, ${clock(at)}`, data: { ts: message.ts } }, other ? otherApp() : avatar(message.user, name, bot || slackbot), h("div.message-body", {}, parts));
}

function renderHome(log, state, ctx) {
  const home = state.screen.home;
  const made = home
    ? { key: "home", sign: home.hash + state.who, make: () => h("div.bk.home", {}, blocks(home.blocks, ctx, { view: home.id })) }
    : { key: "home", sign: `none${state.who}`, make: () => h("div.empty", {}, icon("home"), h("p", {}, `The bot shows nothing here to ${ctx.people[state.who].name}.`)) };
  keep(log, [made]);
}

// A screen reader is told what is new or changed, by the sentence that every message carries.
function announceNews(channel, state, ctx, app, moved) {
  const seen = new Map();
  for (const message of channel?.messages ?? []) {
    seen.set(message.ts, message.text);
    for (const reply of message.replies ?? []) seen.set(reply.ts, reply.text);
  }
  if (!moved) {
    const news = [...seen].filter(([ts, text]) => standing.seen.get(ts) !== text).map(([, text]) => said(text, ctx));
    if (news.length) app.announce(news.join(" · "));
  }
  standing.seen = seen;
}

// --- the thread -----------------------------------------------------------------------------------

export function renderThread(place, state, ctx, app) {
  const pane = $("thread");
  const parent = app.thread && place.channel?.messages.find((m) => m.ts === app.thread);
  document.body.classList.toggle("with-thread", Boolean(parent));
  pane.hidden = !parent;
  if (!parent) return;
  const log = $("thread-log");
  const low = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const fresh = log.dataset.of !== parent.ts + state.who;
  if (fresh) log.replaceChildren();
  log.dataset.of = parent.ts + state.who;
  const items = parent.replies.map((message) => ({
    key: message.ts,
    sign: signOf(message, ctx),
    make: () => messageNode(message, ctx, app, false),
  }));
  keep(log, items);
  $("thread-about").textContent = said(parent.text, ctx);
  if (fresh || low) log.scrollTop = log.scrollHeight;
}

// --- where one types ------------------------------------------------------------------------------

const COMMANDS = [
  ["/request-deactivate", "[handle]", "look an account up, and ask for it to be deactivated"],
  ["/request-restore", "[handle]", "ask for an account to be given back"],
  ["/audit", "[query]", "ask the trail (managers)"],
];
const WORDS = {
  "/request-deactivate": [["status", "where the open requests stand"], ["help", "all there is to type"], ["veto R-", "stop a request"], ["withdraw R-", "take your own back"]],
  "/audit": [["R-1", "one request, entry by entry"], ["by:bruno", "what one person did"], ["state:vetoed", "requests by state"], ["stats", "how many, how fast, how they ended"], ["verify", "is the trail what it was?"], ["help", "all there is to ask"]],
};

export function setUpComposer(app) {
  const input = $("say");
  const list = $("suggestions");
  let at = -1;

  const offers = () => {
    const text = input.value;
    if (!text.startsWith("/")) return [];
    const [command, rest] = [text.split(" ")[0], text.includes(" ") ? text.slice(text.indexOf(" ") + 1) : null];
    if (rest === null) {
      return COMMANDS.filter(([name]) => name.startsWith(text)).map(([name, usage, about]) => ({ fill: `${name} `, name, usage, about }));
    }
    const handles = command === "/audit" ? [] : app.state.accounts.map((a) => [`@${a.handle}`, a.name + (a.there ? "" : " (gone)")]);
    return [...handles, ...(WORDS[command] ?? [])]
      .filter(([word]) => word.toLowerCase().startsWith(rest.toLowerCase()) && word !== rest)
      .slice(0, 7)
      .map(([word, about]) => ({ fill: `${command} ${word}`, name: word, usage: "", about }));
  };

  const draw = () => {
    const found = document.activeElement === input ? offers() : [];
    at = Math.min(at, found.length - 1);
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    list.replaceChildren(
      ...found.map((one, i) => h(
        "li",
        {
          role: "option", id: `suggestion-${i}`, "aria-selected": String(i === at),
          onpointerdown: (event) => { event.preventDefault(); take(one); },
        },
        h("b", {}, one.name), " ", h("span.usage", {}, one.usage), h("span.about", {}, one.about),
      )),
    );
    if (at >= 0) {
      input.setAttribute("aria-activedescendant", `suggestion-${at}`);
      list.children[at].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
    return found;
  };

  const take = (one) => {
    input.value = one.fill;
    at = -1;
    draw();
  };

  input.addEventListener("input", () => { at = -1; draw(); });
  input.addEventListener("focus", draw);
  input.addEventListener("blur", () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); });
  input.addEventListener("keydown", (event) => {
    const found = list.hidden ? [] : offers();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      at = at < 0 && step < 0 ? found.length - 1 : (at + step + found.length) % found.length;
      draw();
    } else if (event.key === "Tab" && !event.shiftKey && found.length && input.value !== "/") take(found[Math.max(at, 0)]);
    else if (event.key === "Enter" && at >= 0) take(found[at]);
    else if (event.key === "Escape" && !list.hidden) list.hidden = true;
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send(app);
  });
}

export async function send(app) {
  const input = $("say");
  const text = input.value.trim();
  const { state } = app;
  if (!text) return;
  const channel = app.place === DM ? `D${state.who.slice(1)}` : app.place;
  const [command, ...rest] = text.split(" ");
  input.value = "";
  $("suggestions").hidden = true;
  if (!text.startsWith("/")) {
    await app.act("say", { text, channel });
  } else if (COMMANDS.some(([name]) => name === command)) {
    await app.act("command", { command, text: rest.join(" ").trim(), channel });
  } else {
    app.toast(`${command} is no command here: try /request-deactivate`);
    input.value = text;
  }
}

export function setUpThread(app) {
  $("thread-close").addEventListener("click", () => {
    const opener = document.querySelector(`[data-ts="${CSS.escape(app.thread ?? "")}"] .replies`);
    app.openThread(null);
    opener?.focus();
  });
}
