// The gallery of avatars: people whose footage was analysed and kept.

import { call } from "./api.js";
import { ask } from "./dialogs.js";
import { $, make, setProblem, show, tell } from "./dom.js";
import { addJob, onJob } from "./queue.js";
import { chosen, chosenPerson, forgetAvatar, useAvatar } from "./source.js";
import { onLanguage, t } from "./words.js";

const BUILDING_MS = 4000;

let avatars = [];
let timer = 0;

export function startAvatars() {
  $("#keep-avatar").addEventListener("click", keep);
  onLanguage(writeAvatars);
  return load();
}

/** Ask the server for its avatars; again while one is being built. */
async function load() {
  clearTimeout(timer);
  try {
    const answer = await call("v1/avatars", { asks: false });
    avatars = answer.avatars;
    writeAvatars();
  } catch (error) {
    if (error.status !== 0 && error.status !== 401) setProblem($("#avatars-problem"), error.message);
    timer = setTimeout(load, BUILDING_MS);
    return;
  }
  if (avatars.some((avatar) => avatar.state === "building")) timer = setTimeout(load, BUILDING_MS);
}

export function writeAvatars() {
  const focused = document.activeElement?.dataset.avatar;
  show($("#avatars-empty"), avatars.length === 0);
  $("#gallery").replaceChildren(...avatars.map(card));
  if (focused) $(`[data-avatar="${focused}"]`)?.focus();
}

function card(avatar) {
  const ready = avatar.state === "ready";
  const picture = ready
    ? make("img", { src: `v1/avatars/${avatar.id}/picture`, alt: "", loading: "lazy" })
    : make("span", { textContent: t(`avatar.${avatar.state}`) });
  const button = (name, act, disabled) => {
    const made = make("button", {
      type: "button", textContent: t(name), disabled, className: name === "avatar.use" ? "" : "quiet",
      data: { avatar: `${name} ${avatar.id}` }, aria: { label: `${t(name)}: ${avatar.name}` },
    });
    made.addEventListener("click", act);
    return made;
  };
  const item = make("li", { className: "avatar" },
    make("div", { className: "thumb" }, picture),
    make("div", { className: "text" },
      make("p", { className: "name", textContent: avatar.name }),
      make("div", { className: "row" },
        button("avatar.use", () => use(avatar), !ready),
        button("avatar.delete", () => remove(avatar), false))));
  item.classList.toggle("used", chosen()?.avatar === avatar.id);
  return item;
}

function use(avatar) {
  useAvatar(avatar);
  tell(t("avatar.used", { name: avatar.name }));
  $("#source").scrollIntoView({ block: "nearest" });
}

async function keep() {
  const file = chosen();
  const person = chosenPerson();
  const field = { label: t("avatar.name"), value: file.name.replace(/\.[^.]{1,5}$/, "") };
  const name = await ask({ title: t("avatar.keep"), text: t("avatar.keep.text"), yes: t("avatar.keep.yes"), field });
  if (!name) return;
  const engine = $("#engine").value;
  await attempt(async () => {
    const avatar = await call("v1/avatars", {
      method: "POST", body: { video: file.path, name, engine, ...(person === null ? {} : { person }) },
    });
    tell(t("avatar.kept", { name }));
    const job = avatar.job ? await call(`v1/jobs/${avatar.job}`) : null;
    if (job) {
      onJob(job.id, (now) => ["done", "failed", "cancelled"].includes(now.state) && load());
      addJob(job);
    }
  });
}

async function remove(avatar) {
  const text = t("avatar.delete.text", { name: avatar.name });
  if (!(await ask({ title: t("avatar.delete.title"), text, yes: t("avatar.delete") }))) return;
  await attempt(async () => {
    await call(`v1/avatars/${avatar.id}`, { method: "DELETE" });
    forgetAvatar(avatar.id);
    $("#avatars").focus();
  });
}

async function attempt(act) {
  setProblem($("#avatars-problem"), "");
  try {
    await act();
  } catch (error) {
    setProblem($("#avatars-problem"), error.message);
  }
  await load();
}
