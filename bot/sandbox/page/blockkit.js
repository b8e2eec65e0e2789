// Block Kit as elements. `where` says on what the blocks stand: {channel, ts} or {view}.

import { data_table, data_visualization } from "./charts.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { richText, textObject } from "./text.js";
import { confirmed } from "./confirm.js";
import { field } from "./fields.js";

const BLOCKS = { header, section, context, actions, divider, rich_text, input, data_visualization, data_table };

export function blocks(list, ctx, where) {
  return list.map((block) => (BLOCKS[block.type] ?? unknown)(block, ctx, where));
}

const unknown = (block) => h("p.bk-unknown", {}, `(a block of type ${block.type})`);

function header(block, ctx) {
  const level = ctx.level ?? 3;
  return h("div.bk-header", { role: "heading", "aria-level": level }, textObject(block.text, ctx));
}

function section(block, ctx, where) {
  const parts = [];
  if (block.text) parts.push(h("div.bk-text", {}, textObject(block.text, ctx)));
  if (block.fields) {
    parts.push(h("div.bk-fields", {}, block.fields.map((one) => h("div", {}, textObject(one, ctx)))));
  }
  const body = h("div.bk-main", {}, parts);
  const side = block.accessory && h("div.bk-accessory", {}, element(block.accessory, ctx, where));
  return h("div.bk-section", {}, body, side);
}

function context(block, ctx) {
  return h("div.bk-context", {}, block.elements.map((one) => h("span", {}, textObject(one, ctx))));
}

function actions(block, ctx, where) {
  return h("div.bk-actions", {}, block.elements.map((one) => element(one, ctx, where)));
}

function divider() {
  return h("hr.bk-divider");
}

function rich_text(block, ctx) {
  return h("div.bk-rich", {}, richText(block, ctx));
}

function input(block, ctx) {
  return field(block, ctx);
}

function element(one, ctx, where) {
  if (one.type === "button") return button(one, ctx, where);
  if (one.type === "overflow") return overflow(one, ctx, where);
  return h("span", {}, `(${one.type})`);
}

function button(one, ctx, where) {
  const click = async (event) => {
    const pressed = event.currentTarget;
    if (!(await confirmed(one.confirm, ctx))) return;
    await busy(pressed, () => ctx.click(where, one.action_id, one.value));
  };
  const tone = one.style ? `tone-${one.style}` : "tone-plain";
  const data = { focus: `${one.action_id}/${one.value ?? ""}`, action: one.action_id };
  return h(`button.btn.${tone}`, { type: "button", onclick: click, data }, textObject(one.text, ctx));
}

export async function busy(pressed, work) {
  pressed.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    pressed.removeAttribute("aria-busy");
  }
}

let menus = 0;

function overflow(one, ctx, where) {
  const id = `menu-${++menus}`;
  const menu = h("ul.menu", { id, role: "menu", hidden: true });
  const opener = h("button.btn.tone-plain.btn-icon", {
    type: "button",
    "aria-haspopup": "menu",
    "aria-expanded": "false",
    "aria-controls": id,
    "aria-label": "More",
    data: { focus: one.action_id, action: one.action_id },
  }, icon("dots"));
  const wrap = h("div.overflow", {}, opener, menu);
  const show = (open) => {
    menu.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    if (open) menu.querySelector("button").focus();
  };
  const items = one.options.map((option) => {
    const choose = async () => {
      show(false);
      opener.focus();
      if (await confirmed(one.confirm, ctx)) await ctx.choose(where, one.action_id, option.value);
    };
    const item = h("button", { type: "button", role: "menuitem", onclick: choose, data: { option: option.value } }, textObject(option.text, ctx));
    return h("li", { role: "none" }, item);
  });
  menu.append(...items);
  opener.addEventListener("click", () => show(menu.hidden));
  wrap.addEventListener("keydown", (event) => {
    if (menu.hidden) return;
    const buttons = [...menu.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) buttons[(at + step + buttons.length) % buttons.length].focus();
    else if (event.key === "Escape") {
      show(false);
      opener.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  wrap.addEventListener("focusout", (event) => {
    if (!wrap.contains(event.relatedTarget)) show(false);
  });
  return wrap;
}
