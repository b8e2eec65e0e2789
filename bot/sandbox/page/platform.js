// Pipit, the small platform, as anybody sees it: its accounts, and the public page of one of them.

import { $, h, keep, still } from "./dom.js";
import { icon } from "./icons.js";

let chosen = "acct-1000";
let loaded = ""; // what the frame on top shows
let loading = 0;

const many = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function choose(id, app) {
  chosen = id;
  renderPlatform(app.state, app);
}

export function renderPlatform(state, app) {
  keep($("accounts"), state.accounts.map((account) => ({
    key: account.id,
    sign: JSON.stringify([account, account.id === chosen]),
    make: () => row(account, app),
  })));
  const account = state.accounts.find((a) => a.id === chosen) ?? state.accounts[0];
  const theme = document.documentElement.dataset.theme;
  const sign = [state.world, account.handle, account.there, theme].join("/");
  if (sign !== loaded) load(sign, account, app);
}

function row(account, app) {
  const here = account.id === chosen;
  return h(
    "li",
    {},
    h(
      "button.account",
      {
        type: "button", "aria-pressed": String(here), class: account.there ? "" : "gone",
        data: { focus: "account", account: account.id },
        onclick: () => choose(account.id, app),
      },
      face(account),
      h("span.account-handle", {}, `@${account.handle}`, account.verified && icon("tick", "verified")),
      h("span.account-reach", {}, account.there ? many.format(account.followers) : "gone"),
    ),
  );
}

function face(account) {
  const made = h("span.face", { "aria-hidden": "true" }, account.name.split(" ").slice(0, 2).map((w) => w[0]).join(""));
  made.style.setProperty("--hue", (Number(account.id.replace("acct-", "")) * 47) % 360);
  return made;
}

// The page is loaded in a second frame, and shown in place of the first when it is there.
function load(sign, account, app) {
  const before = loaded;
  loaded = sign;
  const number = ++loading;
  $("address").textContent = `/@${account.handle}`;
  const status = $("page-status");
  status.textContent = account.there ? "200 OK" : "404 gone";
  status.className = account.there ? "status there" : "status gone";
  const theme = document.documentElement.dataset.theme;
  const frame = h("iframe.page", {
    src: `/pipit/@${encodeURIComponent(account.handle)}`,
    title: `Pipit: the public page of @${account.handle}`,
    sandbox: "",
  });
  frame.style.colorScheme = theme;
  const stage = $("stage");
  frame.addEventListener("load", () => {
    if (number !== loading) return frame.remove();
    for (const old of stage.querySelectorAll("iframe")) if (old !== frame) leave(old);
    frame.classList.add("shown");
    return undefined;
  });
  stage.append(frame);
  if (before && wentOrCame(before, sign)) {
    app.announce(account.there ? `@${account.handle} is on Pipit again` : `@${account.handle} is gone from Pipit`);
    const panel = $("pipit");
    panel.classList.remove("changed");
    void panel.offsetWidth;
    panel.classList.add("changed");
  }
}

function leave(frame) {
  frame.classList.remove("shown");
  if (still()) frame.remove();
  else setTimeout(() => frame.remove(), 400);
}

function wentOrCame(before, now) {
  const [world, handle, there] = before.split("/");
  const [world2, handle2, there2] = now.split("/");
  return world === world2 && handle === handle2 && there !== there2;
}
