// Slack's blocks that show figures: a bar chart, and a table. What a chart shows by its shapes, it
// says in words too, and its series differ by their pattern as well as by their colour.

import { h, svg } from "./dom.js";
import { richText } from "./text.js";

const HEIGHT = 190;
const TOP = 18; // px for the number over the highest bar
const LABELLED = 18; // bars, at most, that still have room for their numbers
const CROWDED = 4; // categories; more are written aslant where it is narrow,
const PACKED = 8; // and more than these everywhere
const TICKS = 4;

let charts = 0;

export function data_visualization(block) {
  const { title, chart } = block;
  if (chart.type !== "bar") return h("p.bk-unknown", {}, `(a chart of type ${chart.type}: ${title})`);
  const id = `chart-${++charts}`;
  const { series, axis_config: axes } = chart;
  const steps = ticks(Math.max(...series.flatMap((one) => one.data.map((point) => point.value))));
  return h(
    "figure.bk-chart",
    {},
    h("figcaption", {}, title),
    h("ul.bk-legend", { "aria-hidden": "true" }, series.map((one, i) => h("li", {}, swatch(id, i), one.name))),
    h(
      "div.bk-drawing",
      { role: "img", "aria-label": inWords(title, series, axes) },
      h("span.bk-axis", {}, axes.y_label ?? ""),
      scale(steps),
      plot(id, series, axes.categories, steps),
      axes.x_label && h("span.bk-axis.bk-axis-x", {}, axes.x_label),
    ),
  );
}

// "Requests by outcome, in requests. standard: executed 3, vetoed 1. public-office: executed 0, vetoed 2."
function inWords(title, series, axes) {
  const told = series.map((one) => `${one.name}: ${one.data.map((p) => `${p.label} ${p.value}`).join(", ")}.`);
  return [axes.y_label ? `${title}, in ${axes.y_label.toLowerCase()}.` : `${title}.`, ...told].join(" ");
}

// Round numbers from 0 to at least `most`; whole ones, where that is whole.
function ticks(most) {
  const raw = Math.max(most, Number.EPSILON) / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max([1, 2, 5, 10].find((n) => n * power >= raw) * power, Number.isInteger(most) ? 1 : 0);
  const count = Math.max(1, Math.ceil(most / step));
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

const bottom = TOP + HEIGHT;
const height = (value, steps) => (HEIGHT * value) / steps.at(-1);

function scale(steps) {
  const texts = steps.map((one) => svg("text", { x: "100%", y: bottom - height(one, steps), dy: "0.34em" }, String(one)));
  return svg("svg", { class: "bk-scale", height: bottom + 4, "aria-hidden": "true" }, ...texts);
}

function plot(id, series, categories, steps) {
  const lines = steps.map((one) => {
    const y = Math.round(bottom - height(one, steps)) + 0.5;
    return svg("line", { x1: 0, x2: "100%", y1: y, y2: y });
  });
  const band = 100 / categories.length;
  const wide = Math.min((band * 0.72) / series.length, 12);
  const bars = categories.flatMap((category, c) =>
    series.flatMap((one, s) => {
      const value = one.data.find((point) => point.label === category).value;
      const tall = height(value, steps);
      const left = band * (c + 0.5) + wide * (s - series.length / 2);
      const bar = svg(
        "rect",
        { class: "bk-bar", x: `${left + wide * 0.06}%`, width: `${wide * 0.88}%`, y: bottom - tall, height: tall, fill: `url(#${id}-${s})` },
        svg("title", {}, `${category}, ${one.name}: ${value}`),
      );
      if (series.length * categories.length > LABELLED) return [bar];
      return [bar, svg("text", { class: "bk-value", x: `${left + wide / 2}%`, y: bottom - tall - 5 }, String(value))];
    }),
  );
  const names = categories.map((category, c) =>
    svg("svg", { x: `${band * (c + 0.5)}%`, y: bottom, overflow: "visible" }, svg("text", { class: "bk-category", y: 18 }, category)),
  );
  const many = categories.length;
  const kind = many > PACKED ? "bk-plot bk-packed" : many > CROWDED ? "bk-plot bk-crowded" : "bk-plot";
  return svg("svg", { class: kind, "aria-hidden": "true" }, svg("defs", {}, ...series.map((_, i) => pattern(id, i))), ...lines, ...bars, ...names);
}

// Full, slanted, dotted, level, slanted the other way, upright: in that order.
const MARKS = [
  [],
  [["path", { d: "M-2 2 2 -2 M-2 10 10 -2 M6 10 10 6" }]],
  [["circle", { cx: 4, cy: 4, r: 1.7 }]],
  [["path", { d: "M0 2H8 M0 6H8" }]],
  [["path", { d: "M-2 6 2 10 M-2 -2 10 10 M6 -2 10 2" }]],
  [["path", { d: "M2 0V8 M6 0V8" }]],
];

function pattern(id, i) {
  const marks = MARKS[i].map(([name, attributes]) => svg(name, attributes));
  const ground = svg("rect", { width: 8, height: 8 });
  return svg("pattern", { id: `${id}-${i}`, class: `bk-tone-${i}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, ground, ...marks);
}

function swatch(id, i) {
  return svg("svg", { class: "bk-swatch", width: 16, height: 12 }, svg("rect", { width: 16, height: 12, rx: 2, fill: `url(#${id}-${i})` }));
}

// --- the table --------------------------------------------------------------------------------------

export function data_table(block, ctx) {
  const [head, ...rows] = block.rows;
  const first = block.row_header_column_index ?? 0;
  const number = head.map((_, column) => rows.every((row) => row[column].type === "raw_number"));
  const side = (column) => (number[column] ? "number" : "");
  const body = rows.map((row) =>
    h("tr", {}, row.map((cell, column) =>
      column === first
        ? h("th", { scope: "row", class: side(column) }, inside(cell, ctx))
        : h("td", { class: side(column) }, inside(cell, ctx)),
    )),
  );
  return h(
    "div.bk-table",
    { role: "region", tabIndex: 0, "aria-label": block.caption },
    h(
      "table",
      {},
      h("caption", {}, block.caption),
      h("thead", {}, h("tr", {}, head.map((cell, column) => h("th", { scope: "col", class: side(column) }, cell.text)))),
      h("tbody", {}, body),
    ),
  );
}

const inside = (cell, ctx) => (cell.type === "rich_text" ? richText(cell, ctx) : cell.text);
