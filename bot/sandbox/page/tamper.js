// Behind the bot's back: the database is edited as its administrator could, and the trail is asked.

import { $, h, keep, pause } from "./dom.js";
import * as api from "./api.js";
import { send } from "./chat.js";
import { icon } from "./icons.js";

export const MAX = "U09MANAGER";

const WAYS = [
  {
    way: "edit", name: "Edit an entry",
    about: "The newest decision is somebody else's now. The entry no longer fits the tree over it.",
  },
  {
    way: "delete", name: "Delete an entry",
    about: "The newest decision is gone, as if nobody had made it. The tree still has its hash.",
  },
  {
    way: "rewrite", name: "Edit, and make it fit",
    about: "The same edit, and then the index and the tree are made anew. The database alone says that all is well: only a checkpoint that somebody else keeps can tell.",
  },
];

export function renderTamper(state, app) {
  const ready = state.hood.entries > 1;
  keep($("tamper-ways"), WAYS.map(({ way, name, about }) => ({
    key: way,
    sign: String(ready),
    make: () => h(
      "li.tamper-way",
      {},
      h("h3", {}, name),
      h("p", {}, about),
      h("button.btn.tone-danger", { type: "button", disabled: !ready, data: { tamper: way }, onclick: () => tamper(way, app) }, icon("pencil"), "Tamper"),
    ),
  })));
  $("tamper-first").hidden = ready || state.tampered.length > 0;
  $("tamper-done").hidden = !state.tampered.length;
  const more = state.tampered.length > $("tamper-did").children.length;
  keep($("tamper-did"), state.tampered.map((said, n) => ({ key: String(n), sign: said, make: () => h("li", {}, said) })));
  if (more && app.hoodOpen()) $("tamper-done").scrollIntoView({ block: "nearest" });
}

// Do it; what was done is said, or why it could not be. Returns whether it was.
export async function tamper(way, app) {
  const answer = await api.tamper(way);
  if (answer.error) app.toast(`${answer.error[0].toUpperCase()}${answer.error.slice(1)}.`);
  else app.announce(answer.said);
  return !answer.error;
}

// Let Max, the manager, ask whether the trail is what it was.
export async function askMax(app) {
  app.become(MAX);
  for (let tries = 0; app.state.who !== MAX && tries < 100; tries += 1) await pause(40);
  app.go(app.state.review);
  $("say").value = "/audit verify";
  await send(app);
}

export function setUpTamper(app) {
  $("tamper-ask").addEventListener("click", () => {
    askMax(app);
    $("say").focus();
  });
  for (const again of document.querySelectorAll("[data-start-over]")) again.addEventListener("click", () => app.reset());
}
