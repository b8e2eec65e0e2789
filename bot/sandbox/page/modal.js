// The form on top of a person's stack. It covers the workspace only: the personas and the platform
// stay in reach, as they would in another window.

import { $, h } from "./dom.js";
import { icon } from "./icons.js";
import { blocks, busy } from "./blockkit.js";
import { showErrors } from "./fields.js";

let shown = null; // {id, hash, errors, held, node}
let back = null; // what had the focus before

export function renderModal(views, ctx, app) {
  const layer = $("modal-layer");
  const view = views.at(-1);
  const covered = document.querySelectorAll("[data-covered]");
  for (const pane of covered) pane.inert = Boolean(view);
  layer.hidden = !view;
  if (!view) {
    if (shown) {
      shown.node.remove();
      shown = null;
      if (back?.isConnected) back.focus();
      else $("main").focus();
    }
    return;
  }
  if (!shown || shown.id !== view.id || shown.hash !== view.hash || shown.who !== ctx.who) {
    const held = shown?.id === view.id && shown.who === ctx.who ? shown.held : new Map();
    if (!shown) back = document.activeElement;
    const inside = shown?.node.contains(document.activeElement) || !shown;
    shown?.node.remove();
    const node = dialog(view, { ...ctx, held, view: view.id, state: view.state.values, level: 3 }, app, views.length);
    shown = { id: view.id, hash: view.hash, who: ctx.who, held, node, errors: "" };
    layer.append(node);
    if (inside) (node.querySelector(".modal-body input, .modal-body select, .modal-body textarea") ?? node).focus({ preventScroll: true });
    app.announce(node.querySelector("h2").textContent);
  }
  const said = JSON.stringify(view.errors);
  if (shown.errors !== said) {
    shown.errors = said;
    const first = showErrors(shown.node, view.errors);
    if (first) {
      first.focus({ preventScroll: true });
      first.closest("[data-block]").scrollIntoView({ block: "nearest" });
      app.announce(Object.values(view.errors).join(" "), true);
    }
  }
  const trouble = shown.node.querySelector(".trouble");
  trouble.textContent = view.trouble ?? "";
  trouble.hidden = !view.trouble;
}

// Enter something into the form that is shown, as if it had been typed there.
export function enter(block, action, value) {
  if (!shown) return;
  shown.held.set(`${block}.${action}`, value);
  const found = shown.node.querySelector(`[data-block="${CSS.escape(block)}"]`);
  const control = found?.querySelector("input:not([type=radio]), textarea, select");
  if (control) control.value = value;
}

function dialog(view, ctx, app, depth) {
  const close = () => app.act("close");
  const submitLabel = view.submit?.text;
  const submit = submitLabel && h("button.btn.tone-primary", { type: "submit", data: { focus: "submit" } }, submitLabel);
  const send = async (event) => {
    event.preventDefault();
    if (!submit || submit.getAttribute("aria-busy")) return;
    await busy(submit, () => app.act("submit", { values: Object.fromEntries(ctx.held) }));
  };
  const form = h(
    "form",
    { onsubmit: send, noValidate: true },
    h("div.modal-body", { tabIndex: -1 }, blocks(view.blocks, ctx, { view: view.id })),
    h("p.trouble", { role: "alert", hidden: true }),
    h(
      "div.modal-foot",
      {},
      h("button.btn.tone-plain", { type: "button", onclick: close, data: { focus: "close" } }, depth > 1 ? "Back" : view.close?.text ?? "Close"),
      submit,
    ),
  );
  const node = h(
    "div.modal",
    { role: "dialog", "aria-labelledby": "modal-title", tabIndex: -1 },
    h(
      "div.modal-head",
      {},
      h("span.modal-app", {}, icon("shield")),
      h("h2", { id: "modal-title" }, view.title?.text ?? ""),
      h("button.btn-bare", { type: "button", onclick: close, "aria-label": "Close this form" }, icon("close")),
    ),
    form,
  );
  node.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) close();
  });
  return node;
}
