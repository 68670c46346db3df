// The page's words: one file of sentences a language, and how numbers are written in it.

import { recall, remember } from "./dom.js";

const LANGUAGES = ["en", "zh"];
const listeners = [];
let language = "en";
let words = {};

export const currentLanguage = () => language;

/** The sentence of that name, its {places} filled in. */
export function t(name, places = {}) {
  const text = words[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, place) => places[place] ?? "");
}

/** Called after each switch of language, to write again what was made by code. */
export function onLanguage(listener) {
  listeners.push(listener);
}

/** The language chosen before, else the browser's, else English. */
export async function startLanguage() {
  const wanted = [recall("language"), ...navigator.languages.map((tag) => tag.toLowerCase().split("-")[0])];
  await setLanguage(wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en");
}

export async function switchLanguage() {
  const next = LANGUAGES[(LANGUAGES.indexOf(language) + 1) % LANGUAGES.length];
  await setLanguage(next);
  remember("language", next);
}

async function setLanguage(tag) {
  const answer = await fetch(`ui/${tag}.json`);
  if (!answer.ok) throw new Error(`the words of language ${tag} cannot be loaded`);
  words = await answer.json();
  language = tag;
  document.documentElement.lang = tag === "zh" ? "zh-CN" : tag;
  translate();
  for (const listener of listeners) listener();
}

/** Write the words into what names them by `data-t`, and into attributes named by `data-t-…`. */
function translate() {
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const attribute of ["placeholder", "aria-label", "alt"]) {
    for (const element of document.querySelectorAll(`[data-t-${attribute}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-t-${attribute}`)));
    }
  }
}

/** Seconds as 0:07 or 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** How long something still takes, in words. */
export function timeLeft(seconds) {
  if (seconds < 5) return t("left.soon");
  if (seconds < 90) return t("left.seconds", { n: Math.ceil(seconds / 5) * 5 });
  return t("left.minutes", { n: Math.ceil(seconds / 60) });
}

export function bytes(count) {
  const [value, unit] = count >= 1e9 ? [count / 1e9, "gigabyte"] : count >= 1e6 ? [count / 1e6, "megabyte"] : [count / 1e3, "kilobyte"];
  return new Intl.NumberFormat(language, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

/** A moment, as the time of today or the date and time. */
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(language, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" }).format(date);
}
