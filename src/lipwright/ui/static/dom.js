// Small helpers around the document; nothing here knows what the page is about.

export const $ = (selector, root = document) => root.querySelector(selector);

/** An element with properties and children; `data` and `aria` are given as objects. */
export function make(tag, { data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function show(element, visible) {
  element.hidden = !visible;
}

/** Set text only where it differs: a live region that is set to the same text would be read again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show a sentence, or hide its place where there is none. */
export function setProblem(element, sentence) {
  setText(element, sentence);
  show(element, Boolean(sentence));
}

/** Say something to those who listen to the page. */
export function tell(sentence) {
  setText($("#told"), sentence);
}

/** Keep something for this browser; a browser that keeps nothing is no error. */
export function remember(key, value, store = "localStorage") {
  try {
    window[store].setItem(`lipwright.${key}`, JSON.stringify(value));
  } catch { /* private windows may refuse */ }
}

export function recall(key, store = "localStorage") {
  try {
    return JSON.parse(window[store].getItem(`lipwright.${key}`));
  } catch {
    return null;
  }
}
