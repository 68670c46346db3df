// Starts the page.

import { startAvatars, writeAvatars } from "./avatars.js";
import { startCheck } from "./check.js";
import { startDialogs } from "./dialogs.js";
import { $ } from "./dom.js";
import { startOptions, writeOptions } from "./options.js";
import { startPlayer } from "./player.js";
import { startQueue } from "./queue.js";
import { startRun, writeRun } from "./run.js";
import { startSound, takeSound } from "./sound.js";
import { startSource, takeSource } from "./source.js";
import { startLanguage, switchLanguage } from "./words.js";

function changed() {
  writeOptions();
  writeRun();
  writeAvatars();
}

/** A file that misses its place goes where it can only belong; without this the browser would leave the page. */
function catchDrops() {
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) (file.type.startsWith("audio/") ? takeSound : takeSource)(file);
  });
}

await startLanguage();
$("#language").addEventListener("click", switchLanguage);
catchDrops();
startDialogs();
startCheck();
startPlayer();
startRun();
startSound(changed);
startSource(changed);
await startOptions();
changed();
await startQueue();
await startAvatars();
