// One job in the queue.

import { isOver, outputOf } from "./api.js";
import { ask } from "./dialogs.js";
import { $, make, setProblem, setText, show } from "./dom.js";
import { play } from "./player.js";
import { bytes, clock, moment, t, timeLeft } from "./words.js";

const BUTTONS = {
  play: { applies: (job) => job.state === "done" && job.kind === "dub", act: (row) => play(row.job, nameOf(row.job)) },
  download: { applies: (job) => job.state === "done" && job.kind === "dub", link: (job) => `${outputOf(job)}?download=1` },
  picture: { applies: (job) => job.state === "done" && job.kind === "preview", link: outputOf },
  cancel: { applies: (job) => !isOver(job), act: (row) => row.ask("DELETE", `v1/jobs/${row.job.id}`) },
  retry: { applies: (job) => ["failed", "cancelled"].includes(job.state), act: (row) => row.ask("POST", `v1/jobs/${row.job.id}/retry`) },
  // What made an avatar goes with the avatar.
  remove: { applies: (job) => isOver(job) && job.kind !== "avatar", act: (row) => row.remove() },
};

/** What to call a job: its name, else the file it is made of (but for names the server gave), else its kind. */
export function nameOf(job) {
  const file = (job.request?.video ?? "").split(/[?#]/)[0].split("/").pop();
  return job.name || (/^[0-9a-f]{32}\b/.test(file) ? "" : file) || t(`kind.${job.kind}`);
}

/** What a job is at, in words. */
export function stateWords(job) {
  if (job.state !== "running") return t(`state.${job.state}`);
  return job.stage ? t(`stage.${job.stage}`) : t("state.running");
}

export class Row {
  /** `act(row, method, path)` asks the server and shows its answer. */
  constructor(job, act) {
    this.job = job;
    this.ask = (method, path) => act(this, method, path);
    this.element = make("li", { className: "job" },
      make("div", { className: "job-head" }, make("span", { className: "name" }), make("span", { className: "state" })),
      make("progress", { max: 100, value: 0 }),
      make("p", { className: "how" }, make("span", { className: "stage" }), make("span", { className: "left" })),
      make("p", { className: "problem why", hidden: true }),
      make("ul", { className: "notes", hidden: true }),
      make("div", { className: "row" }, ...Object.entries(BUTTONS).map(([name, button]) => this.button(name, button))),
      make("p", { className: "problem refused", role: "alert", hidden: true }));
    this.write();
  }

  button(name, { act, link }) {
    if (link) {
      const made = make("a", { className: "button", data: { act: name } });
      if (name === "download") made.download = "";
      else Object.assign(made, { target: "_blank", rel: "noopener" });
      return made;
    }
    const made = make("button", { type: "button", data: { act: name }, className: name === "play" ? "strong" : name === "remove" ? "quiet" : "" });
    made.addEventListener("click", () => act(this));
    return made;
  }

  write() {
    const { job, element } = this;
    const name = nameOf(job);
    element.dataset.state = job.state;
    element.dataset.id = job.id;
    setText($(".name", element), name);
    $(".name", element).title = name; // a long one is cut
    setText($(".state", element), t(`state.${job.state}`));
    const bar = $("progress", element);
    show(bar, job.state === "running" || job.state === "fetching");
    bar.value = job.progress ?? 0;
    bar.setAttribute("aria-label", name);
    setText($(".stage", element), isOver(job) ? finished(job) : how(job));
    setText($(".left", element), !isOver(job) && job.seconds_left !== null ? timeLeft(job.seconds_left) : "");
    setProblem($(".why", element), job.state === "failed" ? job.error : "");
    this.writeNotes(job.state === "done" ? job.result?.notes ?? [] : []);
    this.writeButtons(name);
  }

  writeNotes(notes) {
    const list = $(".notes", this.element);
    show(list, notes.length > 0);
    if (list.childElementCount !== notes.length) list.replaceChildren(...notes.map((textContent) => make("li", { textContent })));
  }

  writeButtons(name) {
    const focused = this.element.contains(document.activeElement) && document.activeElement;
    for (const made of this.element.querySelectorAll("[data-act]")) {
      const button = BUTTONS[made.dataset.act];
      show(made, button.applies(this.job));
      setText(made, t(made.dataset.act));
      made.setAttribute("aria-label", `${t(made.dataset.act)}: ${name}`);
      if (button.link) made.href = button.link(this.job);
    }
    // The focus must not fall off the page with a button that is done with.
    if (focused && focused.hidden) $("[data-act]:not([hidden])", this.element)?.focus();
  }

  async remove() {
    const { job } = this;
    const text = job.state === "done" ? t("remove.text", { name: nameOf(job) }) : t("remove.record", { name: nameOf(job) });
    if (await ask({ title: t("remove.title"), text, yes: t("remove") })) await this.ask("DELETE", `v1/jobs/${job.id}`);
  }
}

function how(job) {
  if (job.state === "queued") return job.position ? t("queue.ahead", { n: job.position }) : t("queue.next");
  const counted = job.total ? ` ${job.done}/${job.total}` : "";
  return `${stateWords(job)}${counted}`;
}

function finished(job) {
  const kind = t(`kind.${job.kind}`);
  const facts = nameOf(job) === kind ? [] : [kind];
  if (job.kind === "dub" && job.result?.duration) facts.push(clock(job.result.duration));
  if (job.kind === "dub" && job.result?.bytes) facts.push(bytes(job.result.bytes));
  if (job.finished) facts.push(moment(job.finished));
  return facts.join(" · ");
}
