// Source and result side by side, in step: the result leads, the source shows the frame that was drawn on.

import { outputOf, sourceOf } from "./api.js";
import { $, make, setProblem, setText } from "./dom.js";
import { clock, onLanguage, t } from "./words.js";

const DRIFT_FRAMES = 2.5; // the two are off by before the source is set right
const FASTEST = 16; // browsers play no faster

let source = null; // the <video> of the source, null for a photo
let shown = null; // the job
let ticking = 0;

const result = () => $("#player-result");

/** Which source frame an output frame shows, as `lipwright.pipeline.plan` plans it. */
export function sourceFrame(frame, { length, footage, count, fps }) {
  if (length === "loop") {
    const period = footage - Math.min(Math.ceil(fps / 5), Math.floor(footage / 3));
    return frame % period;
  }
  if (length === "remap") return Math.floor(((2 * frame + 1) * footage) / (2 * count));
  const period = Math.max(1, 2 * footage - 2);
  const phase = frame % period;
  return Math.min(phase, period - phase);
}

export function startPlayer() {
  const video = result();
  const seek = $("#player-seek");
  $("#player-play").addEventListener("click", toggle);
  video.addEventListener("click", toggle);
  $("#player-close").addEventListener("click", () => $("#player").close());
  $("#player").addEventListener("close", stop);
  $("#player-mute").addEventListener("click", () => {
    video.muted = !video.muted;
    $("#player-mute").setAttribute("aria-pressed", video.muted);
  });
  seek.addEventListener("input", () => {
    video.currentTime = seek.value * (video.duration || 0);
  });
  for (const type of ["play", "pause", "ended", "seeked", "loadedmetadata", "timeupdate"]) video.addEventListener(type, tick);
  video.addEventListener("error", () => video.hasAttribute("src") && setProblem($("#player-problem"), t("player.unplayable")));
  onLanguage(writeState);
}

/** Show a finished job under that title. */
export function play(job, title) {
  shown = job;
  setProblem($("#player-problem"), "");
  setText($("#player-title"), title);
  $("#player-download").href = `${outputOf(job)}?download=1`;
  result().src = outputOf(job);
  $("#player-source").replaceChildren();
  source = null;
  showSource(job);
  $("#player").showModal();
  $("#player-play").focus();
  writeState();
}

/** The source as a video, or as a picture where it is none. */
function showSource(job) {
  const place = $("#player-source");
  const video = make("video", { muted: true, playsInline: true, preload: "auto", src: sourceOf(job) });
  const image = make("img", { src: "", alt: t("player.source") });
  const isShown = () => shown === job;
  video.addEventListener("loadedmetadata", () => {
    if (!isShown()) return;
    source = video;
    tick();
  });
  video.addEventListener("error", () => {
    if (!isShown()) return;
    image.addEventListener("error", () => isShown() && place.replaceChildren(make("p", { textContent: t("player.gone") })));
    image.src = sourceOf(job);
    place.replaceChildren(image);
  });
  place.replaceChildren(video);
}

function toggle() {
  const video = result();
  if (video.paused) video.play().catch(() => {}); // what cannot be played says so by its own event
  else video.pause();
}

function stop() {
  const video = result();
  cancelAnimationFrame(ticking);
  video.pause();
  video.removeAttribute("src");
  video.load(); // lets go of the connection
  source?.pause();
  source = null;
  shown = null;
  $("#player-source").replaceChildren();
}

/** Bring the controls and the source to where the result is. */
function tick() {
  cancelAnimationFrame(ticking);
  if (!shown) return;
  writeState();
  if (source) align();
  if (!result().paused) ticking = requestAnimationFrame(tick);
}

function align() {
  const video = result();
  const fps = rate(shown.result?.fps);
  const known = {
    length: shown.request?.options?.length ?? "bounce",
    footage: Math.max(1, Math.round(source.duration * fps)),
    count: shown.result?.frames ?? Math.max(1, Math.round(video.duration * fps)),
    fps,
  };
  const frame = Math.floor(video.currentTime * fps + 0.01);
  const [now, next] = [sourceFrame(frame, known), sourceFrame(frame + 1, known)];
  const wanted = (now + 0.5) / fps;
  const speed = known.length === "remap" ? known.footage / known.count : 1;
  // Browsers play forwards only: backwards, and where the speed is none of theirs, frame after frame is looked up.
  const plays = !video.paused && next >= now && speed <= FASTEST;
  const drift = Math.abs(source.currentTime - wanted) * fps;
  if (drift > (plays ? DRIFT_FRAMES * Math.max(1, speed) : 0.6) && !source.seeking) source.currentTime = wanted;
  if (!plays) {
    source.pause();
  } else if (source.paused) {
    source.playbackRate = Math.max(0.0625, speed);
    source.play().catch(() => {});
  }
}

/** 25 or "30000/1001" as a number. */
function rate(fps) {
  const [top, bottom = 1] = String(fps ?? 25).split("/").map(Number);
  return top / bottom || 25;
}

function writeState() {
  const video = result();
  const length = video.duration || 0;
  setText($("#player-play"), video.paused ? t("play") : t("pause"));
  setText($("#player-time"), `${clock(video.currentTime)} / ${clock(length)}`);
  const seek = $("#player-seek");
  if (length) seek.value = video.currentTime / length;
  seek.setAttribute("aria-valuetext", clock(video.currentTime));
}
