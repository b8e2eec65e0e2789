// The inputs of a form: label, hint, error beside the field; and what they hold.

import { h } from "./dom.js";
import { textObject } from "./text.js";

const ONE_LINE = { url_text_input: "url", email_text_input: "email", number_input: "text" };

// One input block. `ctx.held` has what was entered before, by "block.action"; `ctx.state` what Slack
// has for it.
export function field(block, ctx) {
  const { element } = block;
  const name = `${block.block_id}.${element.action_id}`;
  const id = `field-${ctx.view}-${block.block_id}`;
  const told = { describedby: `${id}-error${block.hint ? ` ${id}-hint` : ""}`, id, name };
  const value = ctx.held.get(name) ?? standing(ctx.state?.[block.block_id]?.[element.action_id]);
  const keep = (entered) => ctx.held.set(name, entered);
  const required = !block.optional;
  const label = [textObject(block.label, ctx), block.optional && h("span.optional", {}, " (optional)")];
  const after = [
    block.hint && h("p.hint", { id: `${id}-hint` }, textObject(block.hint, ctx)),
    h("p.error", { id: `${id}-error`, data: { error: block.block_id } }),
  ];
  if (element.type === "radio_buttons" || element.type === "checkboxes") {
    const many = element.type === "checkboxes";
    const rows = element.options.map((option, i) => {
      const input = h("input", {
        type: many ? "checkbox" : "radio",
        name: told.id,
        id: `${id}-${i}`,
        value: option.value,
        checked: many ? (value ?? []).includes(option.value) : value === option.value,
        onchange: (event) => {
          if (!many) keep(option.value);
          else {
            const all = event.target.closest("fieldset").querySelectorAll("input:checked");
            keep([...all].map((one) => one.value));
          }
        },
      });
      return h("label.choice", { htmlFor: `${id}-${i}` }, input, h("span", {}, textObject(option.text, ctx)));
    });
    return h("fieldset.field", { data: { block: block.block_id }, "aria-describedby": told.describedby }, h("legend", {}, label), rows, after);
  }
  return h(
    "div.field",
    { data: { block: block.block_id } },
    h("label", { htmlFor: id }, label),
    control(element, told, value, keep, required, ctx),
    after,
  );
}

function control(element, told, value, keep, required, ctx) {
  const common = {
    id: told.id,
    "aria-describedby": told.describedby,
    "aria-required": required ? "true" : null,
    data: { focus: told.name },
    oninput: (event) => keep(event.target.value),
  };
  const placeholder = element.placeholder?.text ?? "";
  switch (element.type) {
    case "static_select": {
      const options = element.options.map((o) => h("option", { value: o.value }, o.text.text));
      const none = h("option", { value: "" }, placeholder || "Choose one");
      const made = h("select", common, none, options);
      made.value = value ?? "";
      return h("div.select", {}, made);
    }
    case "multi_static_select": {
      const many = (event) => keep([...event.target.selectedOptions].map((o) => o.value));
      const options = element.options.map((o) => h("option", { value: o.value, selected: (value ?? []).includes(o.value) }, o.text.text));
      return h("select", { ...common, oninput: many, multiple: true }, options);
    }
    case "datepicker":
      return h("input", { ...common, type: "date", value: value ?? "" });
    default: {
      if (element.multiline) return h("textarea", { ...common, rows: 4, value: value ?? "", placeholder });
      const type = ONE_LINE[element.type] ?? "text";
      return h("input", { ...common, type, value: value ?? "", placeholder, autocomplete: "off", spellcheck: false });
    }
  }
}

// What Slack has for a field, as the field holds it.
export function standing(held) {
  if (!held) return null;
  if (held.selected_option) return held.selected_option.value;
  if (held.selected_options) return held.selected_options.map((one) => one.value);
  return held.value ?? held.selected_date ?? null;
}

// Say what is wrong beside each field; the first of them, or null.
export function showErrors(form, errors) {
  let first = null;
  for (const block of form.querySelectorAll("[data-block]")) {
    const said = errors[block.dataset.block] ?? "";
    const control = block.querySelector("input, textarea, select");
    block.classList.toggle("wrong", Boolean(said));
    block.querySelector("[data-error]").textContent = said;
    if (said) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
    if (said && !first) first = control;
  }
  return first;
}
