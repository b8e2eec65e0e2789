// The small question before a click counts, as `confirm` asks it; and the page's own questions.

import { h } from "./dom.js";
import { textObject } from "./text.js";

export function confirmed(asked, ctx) {
  if (!asked) return Promise.resolve(true);
  return ask({
    title: textObject(asked.title, ctx),
    text: textObject(asked.text, ctx),
    yes: asked.confirm.text,
    no: asked.deny.text,
    tone: asked.style === "danger" ? "tone-danger" : "tone-primary",
  });
}

export function ask({ title, text, yes, no, tone = "tone-primary" }) {
  return new Promise((done) => {
    const back = document.activeElement;
    const dialog = h(
      "dialog.ask",
      { role: "alertdialog", "aria-labelledby": "ask-title", "aria-describedby": "ask-text" },
      h("h2", { id: "ask-title" }, title),
      h("p", { id: "ask-text" }, text),
      h(
        "div.ask-buttons",
        {},
        h("button.btn.tone-plain", { type: "button", onclick: () => dialog.close("no"), data: { ask: "no" } }, no),
        h(`button.btn.${tone}`, { type: "button", onclick: () => dialog.close("yes"), data: { ask: "yes" } }, yes),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      back?.focus?.();
      done(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
