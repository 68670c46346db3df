// Step 2: what is said. A file, or a recording from the microphone.

import { $, recall, remember, show } from "./dom.js";
import { DropZone } from "./dropzone.js";
import { startMicrophone } from "./microphone.js";

let zone;

export const chosenSound = () => zone?.file ?? null;
export const takeSound = (file) => zone.take(file);

export function startSound(onChange) {
  const listen = $("#listen");
  zone = new DropZone($("#sound"), {
    kinds: ["sound", "video"],
    wrong: "sound.wrong",
    onChange: (file, local) => {
      if (listen.src) URL.revokeObjectURL(listen.src);
      listen.removeAttribute("src");
      if (local) listen.src = URL.createObjectURL(local);
      show(listen, Boolean(local));
      show($("#recorder"), !file);
      remember("sound", file, "sessionStorage");
      onChange();
    },
  });
  listen.addEventListener("error", () => show(listen, false)); // a kind of sound that this browser cannot play
  startMicrophone((file) => zone.take(file));
  const kept = recall("sound", "sessionStorage");
  if (kept) zone.set(kept);
}
