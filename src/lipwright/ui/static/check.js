// Checks a file: what it says of its origin, layer by layer, and whether it holds.

import { $, make, setText, show, tell } from "./dom.js";
import { DropZone } from "./dropzone.js";
import { onLanguage, t } from "./words.js";

const SYMBOLS = { holds: "✓", found: "✓", changed: "✗", absent: "–", unknown: "?" };

let verdict = null;

export function startCheck() {
  new DropZone($("#check"), { path: "v1/verify", onChange: changed });
  onLanguage(write);
}

function changed(file) {
  verdict = file;
  write();
  if (verdict) tell(said(verdict.summary));
}

function write() {
  show($("#verdict"), verdict !== null);
  if (verdict === null) return;
  $("#verdict").dataset.conclusion = verdict.conclusion;
  setText($("#verdict-summary"), said(verdict.summary));
  $("#layers").replaceChildren(...verdict.layers.map(layer));
}

function layer({ name, state, findings }) {
  return make("li", { className: "layer", data: { state } },
    make("h3", {},
      make("span", { className: "symbol", textContent: SYMBOLS[state], aria: { hidden: "true" } }),
      make("span", { textContent: t(`layer.${name}`) }), " ",
      make("span", { className: "how", textContent: t(`finding.${state}`) })),
    make("ul", {}, ...findings.map((finding) => make("li", { textContent: said(finding) }))));
}

/** A finding in the page's language; what exactly was changed the server says in its own. */
function said({ code, text, about }) {
  return code === "problem" ? text : t(`said.${code}`, about);
}
