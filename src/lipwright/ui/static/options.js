// Step 3: the options. Only what differs from the server's defaults is sent.

import { $, recall, remember, setText, show } from "./dom.js";
import { chosen, chosenPerson, isPhoto } from "./source.js";

const NAMES = [
  "engine", "length", "intensity", "still", "mask", "restore", "restore_when", "blur_threshold", "fps", "codec", "crf", "preset",
  "batch_size",
];
const NUMBERS = ["intensity", "restore", "blur_threshold", "crf", "batch_size"];
const control = (name) => document.getElementById(name);

export async function startOptions() {
  await readDefaults();
  const kept = recall("options", "sessionStorage") ?? {};
  for (const name of NAMES) {
    if (name in kept) setValue(control(name), kept[name]);
    control(name).addEventListener("input", () => {
      remember("options", Object.fromEntries(NAMES.map((each) => [each, value(each)])), "sessionStorage");
      writeOptions();
    });
  }
  writeOptions();
}

/** What the service was set to use where a job says nothing; the page begins with it. */
async function readDefaults() {
  const defaults = await fetch("ui/defaults.json").then((answer) => answer.json()).catch(() => ({}));
  for (const [name, value] of Object.entries(defaults)) {
    const input = control(name);
    if (input.tagName === "SELECT") [...input.options].forEach((option) => { option.defaultSelected = option.value === value; });
    else input.defaultValue = value;
  }
}

/** The options of a job. */
export function options() {
  const asked = {};
  for (const name of NAMES) {
    if (applies(name) && value(name) !== standard(name)) asked[name] = value(name);
  }
  if (chosenPerson() !== null) asked.person = chosenPerson();
  return asked;
}

/** Show what means something to this engine and this footage. An avatar was made for one engine. */
export function writeOptions() {
  const engine = control("engine");
  engine.disabled = Boolean(chosen()?.avatar);
  if (engine.disabled) engine.value = chosen().engine;
  for (const name of ["intensity", "still", "batch_size"]) show($(`#${name}-field`), applies(name));
  for (const name of NUMBERS) {
    const digits = Number.isInteger(Number(control(name).step)) ? 0 : 2;
    setText($(`#${name}-value`), value(name).toFixed(digits));
  }
}

function applies(name) {
  if (name === "engine") return !chosen()?.avatar;
  if (name === "intensity") return value("engine") === "native";
  if (name === "batch_size") return value("engine") === "heygem";
  return name === "still" ? isPhoto() : true;
}

function value(name) {
  const input = control(name);
  if (input.type === "checkbox") return input.checked;
  return NUMBERS.includes(name) ? Number(input.value) : input.value.trim();
}

/** The value the page came with: the server's own default. */
function standard(name) {
  const input = control(name);
  if (input.type === "checkbox") return input.defaultChecked;
  if (input.tagName === "SELECT") return ([...input.options].find((option) => option.defaultSelected) ?? input.options[0]).value;
  return NUMBERS.includes(name) ? Number(input.defaultValue) : input.defaultValue;
}

function setValue(input, kept) {
  if (input.type === "checkbox") input.checked = kept;
  else input.value = kept;
}
