// Records from the microphone: level while recording, then listen again, redo or use.

import { $, setProblem, setText, show } from "./dom.js";
import { clock, onLanguage, t } from "./words.js";

const LOUD = 0.25; // root mean square of a voice close to the microphone: a full level
const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

let session = null; // {stream, recorder, context, started}
let recording = null; // the File made last
let problem = ""; // name of the sentence shown

export function startMicrophone(onUse) {
  $("#record").addEventListener("click", record);
  $("#record-redo").addEventListener("click", record);
  $("#record-stop").addEventListener("click", () => session?.recorder.stop());
  $("#record-drop").addEventListener("click", () => {
    offer(null);
    $("#record").focus();
  });
  $("#record-use").addEventListener("click", () => {
    const file = recording;
    offer(null);
    onUse(file);
  });
  onLanguage(() => setProblem($("#record-problem"), problem && t(problem)));
}

async function record() {
  offer(null);
  say("");
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return say("record.cannot");
  let stream;
  $("#record").disabled = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    return say({ NotAllowedError: "record.denied", NotFoundError: "record.none" }[error.name] ?? "record.failed");
  } finally {
    $("#record").disabled = false;
  }
  const type = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => event.data.size && parts.push(event.data));
  recorder.addEventListener("stop", () => finish(new Blob(parts, { type: recorder.mimeType })));
  session = { stream, recorder, context: new AudioContext(), started: performance.now() };
  recorder.start(250);
  show($("#record"), false);
  show($("#recording"), true);
  $("#record-stop").focus();
  meter(session);
}

/** Show time and loudness until the recording ends. */
function meter(current) {
  const analyser = current.context.createAnalyser();
  analyser.fftSize = 1024;
  current.context.createMediaStreamSource(current.stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const bar = $("#recording .level span");
  const draw = () => {
    if (session !== current) return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
    bar.style.transform = `scaleX(${Math.min(1, Math.sqrt(power) / LOUD)})`;
    setText($("#record-time"), clock((performance.now() - current.started) / 1000));
    requestAnimationFrame(draw);
  };
  draw();
}

function finish(blob) {
  session.stream.getTracks().forEach((track) => track.stop()); // the browser's sign that it listens goes out
  session.context.close();
  session = null;
  if (!blob.size) {
    offer(null);
    return say("record.failed");
  }
  const suffix = blob.type.includes("mp4") ? "m4a" : blob.type.includes("ogg") ? "ogg" : "webm";
  offer(new File([blob], `${t("record.name")}.${suffix}`, { type: blob.type }));
  $("#record-use").focus();
}

/** Offer a recording to listen to, or, with null, to make one. */
function offer(file) {
  const listen = $("#record-listen");
  if (listen.src) URL.revokeObjectURL(listen.src);
  listen.removeAttribute("src");
  recording = file;
  if (file) listen.src = URL.createObjectURL(file);
  show($("#recording"), false);
  show($("#recorded"), Boolean(file));
  show($("#record"), !file);
}

function say(name) {
  problem = name;
  setProblem($("#record-problem"), name && t(name));
}
