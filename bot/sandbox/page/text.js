// Slack's mrkdwn and rich text as elements. What a message says is only ever put in as text.

import { h } from "./dom.js";
import { emoji } from "./icons.js";

const DAY = 86_400_000;

// --- times, in the viewer's own zone --------------------------------------------------------------

export function clock(ms, seconds = false) {
  const shown = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  if (seconds) shown.second = "2-digit";
  return new Date(ms).toLocaleTimeString("en-GB", shown);
}

export function day(ms, style = { day: "numeric", month: "short", year: "numeric" }) {
  return new Date(ms).toLocaleDateString("en-GB", style);
}

function prettyDay(ms, now, style) {
  const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(ms) - midnight(now)) / DAY);
  return { "-1": "yesterday", 0: "today", 1: "tomorrow" }[days] ?? day(ms, style);
}

const SHORT = { day: "numeric", month: "short", year: "numeric" };
const LONG = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
const PLAIN = { day: "numeric", month: "long", year: "numeric" };

function token(name, ms, now) {
  switch (name) {
    case "date_num": return new Date(ms).toISOString().slice(0, 10);
    case "date": return day(ms, PLAIN);
    case "date_short": return day(ms, SHORT);
    case "date_long": return day(ms, LONG);
    case "date_pretty": return prettyDay(ms, now, PLAIN);
    case "date_short_pretty": return prettyDay(ms, now, SHORT);
    case "date_long_pretty": return prettyDay(ms, now, LONG);
    case "time": return clock(ms);
    case "time_secs": return clock(ms, true);
    case "ago": return span(Math.abs(now - ms)) + (ms > now ? " from now" : " ago");
    default: return `{${name}}`;
  }
}

export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}

export function countdown(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function dated(seconds, format, fallback, now) {
  const ms = Number(seconds) * 1000;
  if (!Number.isFinite(ms) || ms <= 0) return fallback;
  const text = format.replace(/\{(\w+)\}/g, (_, name) => token(name, ms, now));
  return h("time", { dateTime: new Date(ms).toISOString(), title: fallback }, text);
}

// --- mrkdwn ---------------------------------------------------------------------------------------

const decode = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function special(inside, ctx) {
  const [what, label] = cutAt(inside, "|");
  if (what.startsWith("@")) return mention(`@${ctx.names[what.slice(1)] ?? label ?? what.slice(1)}`, what.slice(1) === ctx.who);
  if (what.startsWith("#")) return mention(`#${ctx.names[what.slice(1)] ?? label ?? what.slice(1)}`);
  if (what.startsWith("!subteam^")) {
    const id = what.slice("!subteam^".length);
    return mention(`@${ctx.names[id] ?? label ?? id}`);
  }
  if (what.startsWith("!date^")) {
    const [, seconds, format] = what.split("^");
    return dated(seconds, format ?? "", decode(label ?? ""), ctx.now);
  }
  if (what.startsWith("!")) return mention(`@${label ?? what.slice(1)}`, true);
  return link(decode(what), decode(label ?? what));
}

function cutAt(text, sign) {
  const at = text.indexOf(sign);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

const mention = (text, me = false) => h(me ? "span.mention.me" : "span.mention", {}, text);

function link(url, label) {
  if (!/^(https?|mailto):/.test(url)) return label;
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label);
}

// What stands in < > and in ` ` is set aside first, so that nothing inside it is taken for style.
const HELD = /<([^<>\n]+)>|`([^`\n]+)`/g;
const STYLED = /(?<![\p{L}\p{N}])([*_~])(?=\S)([^\n]*?\S)\1(?![\p{L}\p{N}])/u;
const TAGS = { "*": "strong", _: "em", "~": "s" };

export function mrkdwn(text, ctx) {
  const held = [];
  const flat = text.replace(/[\ue000\ue001]/g, "").replace(HELD, (_, inside, code) => {
    held.push(code === undefined ? special(inside, ctx) : h("code", {}, decode(code)));
    return `\ue000${held.length - 1}\ue001`;
  });
  const lines = flat.split("\n");
  return lines.flatMap((line, i) => {
    const quoted = line.startsWith("&gt;");
    const made = styled(quoted ? line.slice(4).trimStart() : line, held);
    if (quoted) return [h("blockquote", {}, made)];
    return i < lines.length - 1 ? [...made, h("br")] : made;
  });
}

function styled(text, held) {
  const found = STYLED.exec(text);
  if (!found) return leaves(text, held);
  const after = text.slice(found.index + found[0].length);
  return [
    ...leaves(text.slice(0, found.index), held),
    h(TAGS[found[1]], {}, styled(found[2], held)),
    ...styled(after, held),
  ];
}

function leaves(text, held) {
  return text.split(/(\ue000\d+\ue001|:[a-z0-9_+-]+:)/).filter(Boolean).map((part) => {
    if (part[0] === "\ue000") return held[Number(part.slice(1, -1))];
    if (/^:[a-z0-9_+-]+:$/.test(part)) return emoji(part.slice(1, -1));
    return decode(part);
  });
}

export function textObject(object, ctx) {
  if (!object) return [];
  if (object.type === "mrkdwn") return mrkdwn(object.text, ctx);
  return object.text.split("\n").flatMap((line, i) => (i ? [h("br"), line] : [line]));
}

// As a screen reader is told of a message.
export function said(text, ctx) {
  return h("span", {}, mrkdwn(text, ctx)).textContent;
}

// --- rich text ------------------------------------------------------------------------------------

export function richText(block, ctx) {
  return block.elements.map((part) => {
    const inside = () => (part.elements ?? []).map((one) => inline(one, ctx));
    switch (part.type) {
      case "rich_text_quote": return h("blockquote", {}, inside());
      case "rich_text_preformatted": return h("pre", {}, inside());
      case "rich_text_list": {
        const items = part.elements.map((one) => h("li", {}, one.elements.map((e) => inline(e, ctx))));
        return h(part.style === "ordered" ? "ol" : "ul", {}, items);
      }
      default: return h("p", {}, inside());
    }
  });
}

function inline(element, ctx) {
  switch (element.type) {
    case "user": return mention(`@${ctx.names[element.user_id] ?? element.user_id}`, element.user_id === ctx.who);
    case "usergroup": return mention(`@${ctx.names[element.usergroup_id] ?? element.usergroup_id}`);
    case "channel": return mention(`#${ctx.names[element.channel_id] ?? element.channel_id}`);
    case "broadcast": return mention(`@${element.range}`, true);
    case "emoji": return emoji(element.name);
    case "link": return link(element.url, element.text ?? element.url);
    case "date": return dated(element.timestamp, element.format, element.fallback ?? "", ctx.now);
    default: return withStyle(element);
  }
}

function withStyle({ text = "", style = {} }) {
  const lines = text.split("\n").flatMap((line, i) => (i ? [h("br"), line] : [line]));
  let made = h("span", {}, lines);
  for (const [name, tag] of [["bold", "strong"], ["italic", "em"], ["strike", "s"], ["code", "code"]]) {
    if (style[name]) made = h(tag, {}, made);
  }
  return made;
}
