// A place that takes one file: dropped, chosen or handed over, and sent to the server at once.

import { upload } from "./api.js";
import { $, setProblem, setText, show, tell } from "./dom.js";
import { bytes, clock, onLanguage, t } from "./words.js";

export class DropZone {
  /**
   * `path`: where files are sent. `kinds`: what the server may find in them, where that matters; `wrong`: the name of
   * the sentence for what else it finds. `onChange` is given the file that is there now, or null: its name, bytes, and
   * what the server says of it, as {path, kind, width, height, frames, fps, duration, has_sound}.
   */
  constructor(root, { path = "v1/files", kinds = null, wrong = "", onChange }) {
    this.root = root;
    this.path = path;
    this.kinds = kinds;
    this.wrong = wrong;
    this.onChange = onChange;
    this.file = null;
    this.sending = null;
    const drop = $(".drop", root);
    const input = $("input", drop);
    input.addEventListener("change", () => {
      if (input.files.length) this.take(input.files[0]);
      input.value = "";
    });
    for (const type of ["dragover", "dragleave", "drop"]) {
      root.addEventListener(type, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", type === "dragover");
        if (type !== "drop") return;
        event.stopPropagation();
        if (event.dataTransfer.files.length) this.take(event.dataTransfer.files[0]);
      });
    }
    $(".again", root).addEventListener("click", () => this.clear());
    $(".sending button", root).addEventListener("click", () => this.sending?.stop());
    onLanguage(() => this.write());
  }

  /** Send a file of the browser's. Returns what the server says of it, or null. */
  async take(file) {
    this.sending?.stop();
    this.set(null);
    setProblem($(".problem", this.root), "");
    const bar = $("progress", this.root);
    bar.setAttribute("aria-label", t("sending", { name: file.name }));
    const sending = upload(this.path, file, (share) => {
      bar.value = share;
      setText($(".how-far", this.root), share < 1 ? t("sending.share", { share: Math.floor(100 * share) }) : t("sending.look"));
    });
    this.sending = sending;
    bar.value = 0;
    setText($(".how-far", this.root), t("sending.share", { share: 0 }));
    this.write();
    $(".sending button", this.root).focus();
    let found = null;
    try {
      found = await sending.done;
      if (this.kinds && !this.kinds.includes(found.kind)) throw new Error(t(this.wrong));
      if (this.sending === sending) this.set({ ...found, name: file.name, bytes: file.size }, file);
    } catch (error) {
      found = null;
      if (this.sending === sending) setProblem($(".problem", this.root), error.message);
    } finally {
      if (this.sending === sending) {
        this.sending = null;
        this.write();
        (this.file ? $(".again", this.root) : $("input", this.root)).focus();
      }
    }
    return found;
  }

  /** Show a file that is on the server. `local` is the browser's own copy, if it has one. */
  set(file, local = null) {
    this.file = file;
    this.write();
    if (file) tell(t("sent", { name: file.name }));
    this.onChange(file, local);
  }

  clear() {
    setProblem($(".problem", this.root), "");
    this.set(null);
    $("input", this.root).focus();
  }

  write() {
    show($(".drop", this.root), !this.file && !this.sending);
    show($(".sending", this.root), Boolean(this.sending));
    show($(".chosen", this.root), Boolean(this.file));
    if (!this.file) return;
    setText($(".name", this.root), this.file.name);
    setText($(".about", this.root), about(this.file));
  }
}

/** A file's facts on one line. */
function about(file) {
  const facts = [];
  if (file.width && file.height) facts.push(`${file.width}×${file.height}`);
  if (file.duration && file.kind !== "photo") facts.push(clock(file.duration));
  if (file.bytes) facts.push(bytes(file.bytes));
  return facts.join(" · ");
}
