// Elements without innerHTML: text can only ever become text.

const SVG = "http://www.w3.org/2000/svg";

export function h(name, props = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const made = document.createElement(tag || "div");
  if (classes.length) made.className = classes.join(" ");
  set(made, props);
  append(made, children);
  return made;
}

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function set(element, props) {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "class") element.className += ` ${value}`;
    else if (key in element && !key.startsWith("aria") && key !== "list") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
}

export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child);
  }
}

export const $ = (id) => document.getElementById(id);

// Replace what stands in `parent` by `items`, keeping the nodes of those that did not change, and
// the focus where it was. An item is {key, sign, make}: `sign` differs when it has to be made anew.
export function keep(parent, items) {
  const before = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const { key, sign, make } of items) {
    let node = before.get(key);
    before.delete(key);
    if (!node || node.keptAs !== sign) {
      const made = make();
      made.dataset.key = key;
      made.keptAs = sign;
      if (node) {
        const focused = focusIn(node);
        if (place === node) place = made;
        node.replaceWith(made);
        restoreFocus(made, focused);
      }
      node = made;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of before.values()) node.remove();
}

function focusIn(node) {
  const active = document.activeElement;
  if (!active || !node.contains(active)) return null;
  return active.dataset.focus ?? "";
}

function restoreFocus(node, name) {
  if (name === null) return;
  const again = name && node.querySelector(`[data-focus="${CSS.escape(name)}"]`);
  if (again) again.focus({ preventScroll: true });
  else if (node.tabIndex >= -1) {
    node.tabIndex = -1;
    node.focus({ preventScroll: true });
  }
}

const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
export const still = () => calm.matches;
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
