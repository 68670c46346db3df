// The last step: a preview, and the job itself.

import { call, isOver, outputOf } from "./api.js";
import { $, setProblem, setText, show } from "./dom.js";
import { forgetNote, options } from "./options.js";
import { addJob, onJob, stateWords } from "./queue.js";
import { chosenSound } from "./sound.js";
import { chosen } from "./source.js";
import { onLanguage, t } from "./words.js";

const PREVIEW_SECONDS = 1;

let stopPreview = () => {};
let previewed = null; // the preview job as last heard of
let asking = false;

export function startRun() {
  $("#make").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  $("#preview").addEventListener("click", preview);
  $("#preview-close").addEventListener("click", () => {
    stopPreview();
    previewed = null;
    writePreview();
    $("#preview").focus();
  });
  onLanguage(() => {
    writeRun();
    writePreview();
  });
}

/** Say what is missing, and allow to run where nothing is. */
export function writeRun() {
  const missing = [!chosen() && t("missing.source"), !chosenSound() && t("missing.sound")].filter(Boolean);
  setText($("#missing"), missing.join(" "));
  for (const button of [$("#run"), $("#preview")]) button.disabled = missing.length > 0 || asking;
}

async function run() {
  const job = await submit({ kind: "dub" }, $("#run"));
  if (!job) return;
  forgetNote();
  $("#queue").scrollIntoView({ block: "nearest" });
}

async function preview() {
  stopPreview();
  previewed = null;
  const job = await submit({ kind: "preview", seconds: PREVIEW_SECONDS }, $("#preview"));
  if (!job) return;
  stopPreview = onJob(job.id, (now) => {
    previewed = now;
    writePreview();
  });
  previewed = job;
  writePreview();
}

async function submit(more, button) {
  if (asking || !chosen() || !chosenSound()) return null;
  asking = true;
  writeRun();
  setProblem($("#go-problem"), "");
  const source = chosen();
  const who = source.avatar ? { avatar: source.avatar } : { video: source.path };
  const name = `${bare(source.name)} · ${bare(chosenSound().name)}`;
  try {
    const body = { ...more, ...who, audio: chosenSound().path, options: options(), name };
    const job = await call("v1/jobs", { method: "POST", body });
    addJob(job);
    return job;
  } catch (error) {
    setProblem($("#go-problem"), error.message);
    return null;
  } finally {
    asking = false;
    writeRun();
    button.focus();
  }
}

const bare = (name) => (name ?? "").replace(/\.[^.]{1,5}$/, "");

function writePreview() {
  const job = previewed;
  show($("#preview-panel"), Boolean(job));
  if (!job) return;
  const bar = $("#preview-progress");
  show(bar, !isOver(job));
  bar.setAttribute("aria-label", t("preview.title"));
  bar.value = job.progress;
  setText($("#preview-state"), job.state === "done" ? t("preview.columns") : job.error || stateWords(job));
  show($(".preview-picture"), job.state === "done");
  const picture = $("#preview-picture");
  if (job.state === "done" && picture.dataset.job !== job.id) {
    picture.dataset.job = job.id;
    picture.src = outputOf(job);
  }
}
