// Step 1: whose mouth it is. A file or a kept avatar, and which of several people.

import { call } from "./api.js";
import { $, make, recall, remember, setProblem, setText, show, tell } from "./dom.js";
import { DropZone } from "./dropzone.js";
import { onLanguage, t } from "./words.js";

let zone;
let person = null; // number from the left, where there are several
let changed = () => {};
let looking = 0; // number of the newest look: an answer to an older one is dropped
let restored = false; // a file kept from before the page was loaded again
let seen = null; // what the server saw: its picture and faces

export const chosen = () => zone?.file ?? null;
export const chosenPerson = () => person;
export const isPhoto = () => chosen()?.kind === "photo" || chosen()?.frames === 1;
export const takeSource = (file) => zone.take(file);

export function startSource(onChange) {
  zone = new DropZone($("#source"), { kinds: ["video", "photo"], wrong: "source.wrong", onChange: taken });
  onLanguage(write);
  changed = onChange;
  const kept = recall("source", "sessionStorage");
  if (kept) {
    restored = true;
    zone.set(kept.file);
    restored = false;
  }
}

/** Use an avatar instead of a file. */
export function useAvatar(avatar) {
  setProblem($("#source .problem"), "");
  zone.set({ ...avatar, kind: "avatar", avatar: avatar.id });
  $("#source .again").focus();
}

/** Forget the avatar that was deleted, or the file that is gone from the server. */
export function forgetAvatar(id) {
  if (zone.file?.avatar === id) zone.set(null);
}

function taken(file) {
  person = null;
  seen = null;
  looking += 1;
  remember("source", file && { file }, "sessionStorage");
  write();
  changed();
  if (file?.kind === "avatar") {
    seen = { picture: `v1/avatars/${file.avatar}/picture`, faces: null };
    write();
  } else if (file) {
    look(file, looking, restored);
  }
}

async function look(file, number, kept) {
  setText($("#look-busy"), t("people.looking"));
  show($("#look"), true);
  try {
    const found = await call("v1/faces", { method: "POST", body: { path: file.path } });
    if (number !== looking) return;
    seen = found;
    if (seen.faces.length > 1) person = largest(seen.faces).person;
    setProblem($("#source .problem"), seen.faces.length === 0 ? t("people.none") : "");
  } catch (error) {
    if (number !== looking) return;
    if (kept && error.status !== 0) zone.set(null); // the server has removed it since
    else setProblem($("#source .problem"), error.message);
  }
  setText($("#look-busy"), "");
  write();
  changed();
}

const area = ({ box: [, , width, height] }) => width * height;
const largest = (faces) => faces.reduce((best, face) => (area(face) > area(best) ? face : best));

function write() {
  const faces = seen?.faces ?? [];
  show($("#look"), Boolean(zone.file));
  show($("#people"), Boolean(seen));
  show($("#people legend"), faces.length > 1);
  show($("#people-hint"), faces.length > 1);
  show($("#keep-avatar"), zone.file?.kind !== "avatar" && faces.length > 0);
  const frame = $("#people .frame");
  frame.querySelectorAll(".face").forEach((old) => old.remove());
  if (!seen) return;
  const image = $("img", frame);
  image.src = seen.picture;
  image.alt = faces.length > 1 ? "" : t("people.picture", { name: zone.file?.name ?? "" });
  if (faces.length > 1) frame.append(...faces.map((face) => box(face, seen)));
}

/** One face as a radio button over the picture; the browser gives the group its arrow keys. */
function box(face, { width, height }) {
  const [x, y, wide, high] = face.box;
  const input = make("input", {
    type: "radio", name: "person", value: face.person, checked: face.person === person,
    aria: { label: t("people.one", { n: face.person }) },
  });
  input.addEventListener("change", () => {
    person = input.value;
    tell(t("people.chosen", { n: person }));
    changed();
  });
  const label = make("label", { className: y < height / 8 ? "face high" : "face" }, input, make("span", { textContent: face.person, aria: { hidden: "true" } }));
  Object.assign(label.style, {
    left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`,
    width: `${(100 * wide) / width}%`, height: `${(100 * high) / height}%`,
  });
  return label;
}
