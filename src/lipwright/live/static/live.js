// The live page: one connection to the person, one line of sound to it that microphone or file is put on.

import { $, setProblem, setText, show } from "./dom.js";
import { onLanguage, startLanguage, switchLanguage, t } from "./words.js";

const START_MS = 60, MOST_MS = 1000; // what is held back of sound and picture at least, and of the picture at most

let session = null; // {connection, channel, context, line, source}
let state = "", source = ["source.none"]; // names of the sentences shown, with what fills them

async function start() {
  fail();
  say("state.connecting");
  const context = new AudioContext({ sampleRate: 48000 });
  const line = context.createMediaStreamDestination();
  const connection = new RTCPeerConnection({ iceServers: [] });
  session = { connection, context, line, channel: connection.createDataChannel("control"), source: null };
  const mine = session;
  listen(mine);
  connection.addTransceiver("video", { direction: "recvonly" });
  connection.addTransceiver(line.stream.getAudioTracks()[0], { direction: "sendrecv", streams: [line.stream] });
  try {
    await connection.setLocalDescription();
    await gathered(connection);
    const answer = await ask(connection.localDescription.sdp);
    if (session === mine) await connection.setRemoteDescription(answer);
  } catch (error) {
    if (session === mine) end(error instanceof Refused ? error.message : t("problem.server"));
  }
  buttons();
}

class Refused extends Error {}

async function ask(sdp) {
  const key = new URLSearchParams(location.hash.slice(1)).get("key"); // behind the #: no server's log has it
  const headers = { "Content-Type": "application/json", ...(key && { "X-API-Key": key }) };
  const answer = await fetch("session", { method: "POST", headers, body: JSON.stringify({ sdp }) });
  const told = await answer.json();
  if (!answer.ok) throw new Refused(told.error);
  return told;
}

/** Wait for this machine's own addresses; there is no server that would have to be asked for others. */
function gathered(connection) {
  if (connection.iceGatheringState === "complete") return null;
  return new Promise((done) => {
    connection.addEventListener("icegatheringstatechange", () => connection.iceGatheringState === "complete" && done());
  });
}

function listen({ connection, channel }) {
  const current = () => session?.connection === connection;
  connection.addEventListener("track", ({ track, streams }) => {
    const person = $("#person");
    const stream = streams[0] ?? person.srcObject ?? new MediaStream();
    if (!stream.getTracks().includes(track)) stream.addTrack(track);
    if (person.srcObject !== stream) person.srcObject = stream;
  });
  connection.addEventListener("connectionstatechange", () => {
    if (!current()) return;
    if (connection.connectionState === "connected") say("state.connected");
    if (["failed", "closed"].includes(connection.connectionState)) end(t("problem.lost"));
    buttons();
  });
  channel.addEventListener("message", ({ data }) => {
    if (!current()) return;
    figures(JSON.parse(data));
    together(connection);
  });
  channel.addEventListener("close", () => current() && end(t("problem.lost")));
}

/**
 * Hold the picture back as far as it is ahead of the sound. Browsers do so, too, but take ten seconds and more for what
 * a sound's first jitter leaves; one that tells no moments is left to itself.
 */
async function together(connection) {
  const report = await connection.getStats();
  const moment = {}, receiver = {};
  for (const one of report.values()) if (one.type === "inbound-rtp") moment[one.kind] = one.estimatedPlayoutTimestamp;
  for (const one of connection.getReceivers()) receiver[one.track.kind] = one;
  if (!moment.audio || !moment.video || !("jitterBufferTarget" in RTCRtpReceiver.prototype)) return;
  const ahead = moment.video - moment.audio;
  const now = receiver.video.jitterBufferTarget ?? START_MS;
  receiver.audio.jitterBufferTarget ??= START_MS;
  receiver.video.jitterBufferTarget = Math.min(MOST_MS, Math.max(START_MS, now + ahead / 2));
}

function figures(told) {
  if (told.error) return end(told.error);
  setText($("#delay"), t("ms", { n: told.delay }));
  setText($("#fps"), told.fps.toFixed(1));
  setText($("#skipped"), String(told.skipped));
}

function end(sentence = "") {
  const ended = session;
  session = null;
  silence(ended);
  ended?.connection.close();
  ended?.context.close();
  $("#person").srcObject = null;
  say("state.ended");
  fail(sentence);
  buttons();
}

async function speak() {
  if (session?.source?.stream) return silence(session);
  silence(session);
  fail();
  const mine = session;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    if (session !== mine) return stream.getTracks().forEach((track) => track.stop());
    const node = mine.context.createMediaStreamSource(stream);
    put(mine, { node, stream }, "source.microphone");
  } catch {
    fail(t("microphone.denied"));
  }
}

async function play(file) {
  silence(session);
  fail();
  const mine = session;
  try {
    const buffer = await mine.context.decodeAudioData(await file.arrayBuffer());
    if (session !== mine) return;
    const node = new AudioBufferSourceNode(mine.context, { buffer });
    node.addEventListener("ended", () => mine.source?.node === node && silence(mine));
    put(mine, { node }, "source.file", file.name);
    node.start();
  } catch {
    fail(t("file.failed", { name: file.name }));
  }
}

function put(mine, made, name, file = "") {
  mine.source = made;
  made.node.connect(mine.line);
  source = [name, { name: file }];
  buttons();
}

function silence(mine) {
  mine?.source?.node.disconnect();
  mine?.source?.stream?.getTracks().forEach((track) => track.stop()); // the browser's sign that it listens goes out
  if (mine) mine.source = null;
  source = ["source.none"];
  buttons();
}

function interrupt() {
  if (!session?.source?.stream) silence(session); // a file is over, a microphone goes on
  if (session?.channel.readyState === "open") session.channel.send("interrupt");
}

function buttons() {
  const connected = session?.connection.connectionState === "connected";
  show($("#start"), !session);
  show($("#stop"), Boolean(session));
  $("#microphone").disabled = !connected || !navigator.mediaDevices?.getUserMedia;
  $("#microphone").setAttribute("aria-pressed", String(Boolean(session?.source?.stream)));
  $("#file").disabled = $("#interrupt").disabled = !connected;
  show($("#secure"), !navigator.mediaDevices?.getUserMedia);
  setText($("#source"), t(...source));
}

function say(name) {
  state = name;
  setText($("#state"), name && t(name));
}

function fail(sentence = "") {
  setProblem($("#problem"), sentence);
}

await startLanguage();
onLanguage(() => {
  say(state);
  buttons();
});
$("#language").addEventListener("click", switchLanguage);
$("#start").addEventListener("click", start);
$("#stop").addEventListener("click", () => end());
$("#microphone").addEventListener("click", speak);
$("#interrupt").addEventListener("click", interrupt);
$("#file").addEventListener("change", ({ target }) => {
  if (target.files[0]) play(target.files[0]);
  target.value = "";
});
addEventListener("pagehide", () => session?.connection.close());
buttons();
