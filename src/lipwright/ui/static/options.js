// Step 3: the options. Only what differs from the server's defaults is sent.

import { $, recall, remember, setText, show } from "./dom.js";
import { chosen, chosenPerson, isPhoto } from "./source.js";
import { currentLanguage } from "./words.js";

const NAMES = [
  "engine", "length", "intensity", "still", "mask", "restore", "restore_when", "blur_threshold", "fps", "codec", "crf", "preset",
  "batch_size", "label", "consent_note", "marks",
];
const NUMBERS = ["intensity", "restore", "blur_threshold", "crf", "batch_size"];
const NOTE = "consent_note";
let service = {}; // how it is set
const control = (name) => document.getElementById(name);

export async function startOptions() {
  await readDefaults();
  const kept = recall("options", "sessionStorage") ?? {};
  for (const name of NAMES) {
    if (name in kept) setValue(control(name), kept[name]);
    control(name).addEventListener("input", () => {
      const lasting = NAMES.filter((each) => each !== NOTE);
      remember("options", Object.fromEntries(lasting.map((each) => [each, value(each)])), "sessionStorage");
      writeOptions();
    });
  }
  writeOptions();
}

/** What the service was set to use where a job says nothing; the page begins with it. */
async function readDefaults() {
  service = await fetch("ui/defaults.json").then((answer) => answer.json()).catch(() => ({}));
  for (const [name, value] of Object.entries(service.options ?? {})) {
    const input = control(name);
    if (input.tagName === "SELECT") [...input.options].forEach((option) => { option.defaultSelected = option.value === value; });
    else input.defaultValue = value;
  }
  const labels = [...control("label").options];
  const least = labels.findIndex((option) => option.defaultSelected);
  labels.forEach((option, at) => { option.disabled = at < least; }); // a job may ask for more than the service, not for less
}

/** The options of a job. */
export function options() {
  const asked = {};
  for (const name of NAMES) {
    if (applies(name) && value(name) !== standard(name)) asked[name] = value(name);
  }
  if (chosenPerson() !== null) asked.person = chosenPerson();
  if (value("label") !== "off" && !service.label_language) asked.label_language = currentLanguage();
  return asked;
}

/** The note was about the person of one job. */
export function forgetNote() {
  control(NOTE).value = "";
}

/** Show what means something to this engine and this footage. An avatar was made for one engine. */
export function writeOptions() {
  const engine = control("engine");
  engine.disabled = Boolean(chosen()?.avatar);
  if (engine.disabled) engine.value = chosen().engine;
  for (const name of ["intensity", "still", "batch_size", "marks"]) show($(`#${name}-field`), applies(name));
  for (const name of NUMBERS) {
    const digits = Number.isInteger(Number(control(name).step)) ? 0 : 2;
    setText($(`#${name}-value`), value(name).toFixed(digits));
  }
}

function applies(name) {
  if (name === "engine") return !chosen()?.avatar;
  if (name === "intensity") return value("engine") === "native";
  if (name === "batch_size") return value("engine") === "heygem";
  if (name === "marks") return service.marks === "choice";
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
  else if (![...(input.options ?? [])].some((option) => option.disabled && option.value === kept)) input.value = kept;
}
