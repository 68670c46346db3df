// The queue: what the server has to do and has done. It is the server's list; nothing of it is kept here.

import { call, follow, isOver } from "./api.js";
import { $, setProblem, setText, show, tell } from "./dom.js";
import { Row, nameOf, stateWords } from "./row.js";
import { onLanguage, t } from "./words.js";

const PAGE = 30;
// A browser opens six connections to a server at most: streams must leave some for the rest of the page.
const STREAMS = 2;
const SOON_MS = 300;
const BUSY_MS = 3000;
const IDLE_MS = 5000;

const rows = new Map();
const streams = new Map();
const listeners = new Map(); // job id → functions that want to hear of it
let limit = PAGE;
let timer = 0;
let newest = 0; // number of the last question: answers that come late are dropped
let asksKey = true;
let away = "";

export { stateWords };

export function startQueue() {
  $("#more").addEventListener("click", () => {
    limit += PAGE;
    refresh();
  });
  document.addEventListener("visibilitychange", () => !document.hidden && refresh());
  onLanguage(() => {
    for (const row of rows.values()) row.write();
    writeAway();
  });
  return refresh();
}

/** A job that was just accepted. */
export function addJob(job) {
  update(job);
  refresh();
}

/** Hear of a job's changes; returns a function that ends it. */
export function onJob(id, listener) {
  listeners.set(id, [...(listeners.get(id) ?? []), listener]);
  return () => listeners.set(id, (listeners.get(id) ?? []).filter((each) => each !== listener));
}

/** Ask the server for its list now, and again after a while. */
export async function refresh() {
  clearTimeout(timer);
  const number = (newest += 1);
  try {
    const { jobs, next } = await listed();
    if (number !== newest) return;
    setAway("");
    asksKey = true;
    write(jobs);
    show($("#more"), Boolean(next));
  } catch (error) {
    if (number !== newest) return;
    if (error.status === 401) asksKey = false; // dismissed: not asked again by itself
    setAway(error.status === 0 ? "server.back" : error.message);
  }
  plan(active().length || away ? BUSY_MS : IDLE_MS);
}

/** As many jobs as are wanted, page after page. */
async function listed() {
  const jobs = [];
  let next = null;
  do {
    const before = next === null ? "" : `&before=${encodeURIComponent(next)}`;
    const page = await call(`v1/jobs?limit=${PAGE}${before}`, { asks: asksKey });
    jobs.push(...page.jobs);
    next = page.next;
  } while (next && jobs.length < limit);
  return { jobs, next };
}

function plan(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? plan(IDLE_MS) : refresh()), milliseconds);
}

function write(jobs) {
  for (const job of jobs) {
    // A stream is ahead of a list that was asked for a moment ago, unless the list knows the end.
    if (!streams.has(job.id) || isOver(job)) update(job);
  }
  const there = new Set(jobs.map((job) => job.id));
  for (const id of [...rows.keys()]) {
    if (!there.has(id)) drop(id);
  }
  const list = $("#jobs");
  jobs.forEach((job, place) => {
    const { element } = rows.get(job.id);
    if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
  });
  show($("#queue-empty"), jobs.length === 0);
  tune();
}

function update(job) {
  let row = rows.get(job.id);
  const before = row?.job;
  if (row) {
    row.job = job;
    row.write();
  } else {
    row = new Row(job, act);
    rows.set(job.id, row);
    $("#jobs").prepend(row.element);
    show($("#queue-empty"), false);
  }
  if (before && (before.state !== job.state || before.stage !== job.stage)) tell(`${nameOf(job)}: ${stateWords(job)}`);
  for (const listener of listeners.get(job.id) ?? []) listener(job);
}

function drop(id) {
  const row = rows.get(id);
  const focused = row.element.contains(document.activeElement);
  row.element.remove();
  rows.delete(id);
  streams.get(id)?.close();
  streams.delete(id);
  if (focused) $("#queue").focus();
}

const active = () => [...rows.values()].map((row) => row.job).filter((job) => !isOver(job));

/** Follow those that are worked on, else those that are next. */
function tune() {
  const rank = (job) => (job.state === "running" ? 0 : 1);
  const wanted = active().sort((a, b) => rank(a) - rank(b) || a.created - b.created).slice(0, STREAMS).map((job) => job.id);
  for (const [id, stream] of [...streams]) {
    if (wanted.includes(id) && !stream.isClosed()) continue;
    stream.close();
    streams.delete(id);
  }
  for (const id of wanted) {
    if (!streams.has(id)) streams.set(id, follow(id, heard));
  }
}

function heard(job) {
  update(job);
  if (!isOver(job)) return;
  streams.delete(job.id);
  plan(SOON_MS);
}

/** What a row's button asks for. */
async function act(row, method, path) {
  const { job } = row;
  setProblem($(".refused", row.element), "");
  try {
    const answer = await call(path, { method });
    if (answer?.id === job.id) update(answer);
    else if (method === "DELETE" && isOver(job)) drop(job.id);
  } catch (error) {
    if (error.status !== 404) setProblem($(".refused", row.element), error.message);
  }
  await refresh();
}

function setAway(sentence) {
  away = sentence;
  writeAway();
}

function writeAway() {
  const text = away === "server.back" ? t(away) : away;
  setText($("#offline"), text);
  show($("#offline"), Boolean(text));
}
