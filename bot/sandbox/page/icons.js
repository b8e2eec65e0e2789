// Our own drawings: for the page, and for the emoji that the bot's messages use.

import { h, svg } from "./dom.js";

const PATHS = {
  hash: "M9.5 4 7.5 20M16.5 4l-2 16M4.5 9h16M3.5 15h16",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  home: "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9M10.5 19v-5h3v5",
  bubble: "M4 5.5h16v11h-9L6.5 20v-3.5H4z",
  close: "M6 6l12 12M18 6 6 18",
  sun: "M12 8.2a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6M12 2.8v2M12 19.2v2M2.8 12h2M19.2 12h2M5.5 5.5l1.4 1.4M17.1 17.1l1.4 1.4M5.5 18.5l1.4-1.4M17.1 6.9l1.4-1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  skip: "M5 6l7 6-7 6zM13 6l7 6-7 6z",
  hood: "M4 6h16M4 12h16M4 18h10M17 16.5l2 1.8-2 1.8",
  tour: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M15.6 8.4l-2.2 5-5 2.2 2.2-5z",
  again: "M5 12a7 7 0 1 0 2.2-5.1M5 4.5v4h4",
  dots: "M5 12h.01M12 12h.01M19 12h.01",
  eye: "M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5",
  thread: "M5 5h14v9h-8l-4 3.5V14H5z",
  send: "M5 12h13M12.5 6l6 6-6 6",
  back: "M19 12H6M11.5 6l-6 6 6 6",
  tick: "M5.5 12.5l4.3 4.3 8.7-9.3",
  down: "M6 9.5l6 6 6-6",
  people: "M9 11.5a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4M3.5 19c.4-3.2 2.6-5 5.5-5s5.1 1.8 5.5 5M16 11a2.7 2.7 0 1 0-.6-5.3M17 14c2 .4 3.3 2 3.5 4.5",
  bird: "M4 18c5 1.5 11 .5 12.5-5.5L20 10l-3.2-.7C16 6.5 12.5 6 11 9c-.8 1.6-3 2.5-6.5 2 .2 2 1.2 3.3 3 4-1 1.5-2.2 2.5-3.5 3z",
  pencil: "M4.5 19.5l1-4L16 5l3 3L8.500 18.500zM14 7l3 3",
  // the bot's
  warning: "M12 4.5 21 19.5H3zM12 10v4.5M12 17h.01",
  hourglass_flowing_sand: "M7 4h10M7 20h10M8 4c0 4 4 5 4 8 0-3 4-4 4-8M8 20c0-4 4-5 4-8 0 3 4 4 4 8",
  arrow_forward: "M8 5.5 18 12 8 18.5z",
  gear: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6M12 3.5v3M12 17.5v3M3.5 12h3M17.5 12h3M6 6l2.1 2.1M15.9 15.9 18 18M6 18l2.1-2.1M15.9 8.1 18 6",
  grey_question: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M12 16.5h.01",
  white_check_mark: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M8.2 12.3l2.7 2.7 5-5.5",
  leftwards_arrow_with_hook: "M9 14.5 4.5 10 9 5.5M4.5 10H14a5 5 0 0 1 0 10h-3",
  x: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M9 9l6 6M15 9l-6 6",
  no_entry: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M7.5 12h9",
  alarm_clock: "M12 5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15M12 8.5v4.2l2.8 1.8",
  wastebasket: "M5 7h14M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.5 11v5M13.5 11v5",
  repeat: "M5 11V9.5A2.5 2.5 0 0 1 7.5 7H19M16 4l3 3-3 3M19 13v1.5a2.5 2.5 0 0 1-2.5 2.5H5M8 20l-3-3 3-3",
  mag: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M15 15l5 5",
  shield: "M12 3.5 5 6v5.5c0 4.3 2.9 7.3 7 9 4.1-1.7 7-4.7 7-9V6zM9 12l2.2 2.2L15.2 10",
  receipt: "M6 3.5h12v17l-2-1.4-2 1.4-2-1.4-2 1.4-2-1.4-2 1.4zM9 8.5h6M9 12.5h6",
  scroll: "M7 4.5h11v11M7 4.5a2 2 0 0 0-2 2v11a2.5 2.5 0 0 0 5 0V15.5h10v2a2.5 2.5 0 0 1-2.5 2.5h-10M10 8.5h5M10 11.5h5",
};

// As text, where a drawing would not do.
export const UNICODE = {
  warning: "⚠️", hourglass_flowing_sand: "⏳", arrow_forward: "▶️", gear: "⚙️", grey_question: "❔",
  white_check_mark: "✅", leftwards_arrow_with_hook: "↩️", x: "❌", no_entry: "⛔", alarm_clock: "⏰",
  wastebasket: "🗑️", repeat: "🔁", mag: "🔍", shield: "🛡️", receipt: "🧾", scroll: "📜",
};

const TONE = {
  warning: "amber", hourglass_flowing_sand: "amber", white_check_mark: "go", arrow_forward: "go",
  leftwards_arrow_with_hook: "go", x: "stop", no_entry: "stop", shield: "amber",
};

export function icon(name, label = "") {
  const drawn = svg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
  drawn.append(svg("path", { d: PATHS[name] ?? PATHS.dots }));
  if (!label) return drawn;
  return h("span.icon-named", { role: "img", "aria-label": label }, drawn);
}

export function emoji(name) {
  if (!PATHS[name] || !UNICODE[name]) return document.createTextNode(`:${name}:`);
  const made = icon(name, name.replaceAll("_", " "));
  made.classList.add("emoji");
  if (TONE[name]) made.classList.add(`tone-${TONE[name]}`);
  return made;
}
