// Questions to the user. A modal <dialog> keeps the focus inside and gives it back afterwards.

import { $, setText, show } from "./dom.js";
import { t } from "./words.js";

let keyAsked = null;

/**
 * Ask something. Resolves to false or null when dismissed; else to true, or to the text where a `field` is wanted.
 * `field` is {label, type, value}.
 */
export async function ask({ title, text, yes, field = null }) {
  while ($("#ask").open) await new Promise((done) => $("#ask").addEventListener("close", done, { once: true }));
  const dialog = $("#ask");
  const input = $("#ask-field input");
  setText($("#ask-title"), title);
  setText($("#ask-text"), text);
  setText($("#ask-yes"), yes);
  show($("#ask-field"), field !== null);
  setText($("#ask-field span"), field?.label ?? "");
  Object.assign(input, { type: field?.type ?? "text", value: field?.value ?? "", required: field !== null });
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const agreed = dialog.returnValue === "yes";
      const given = input.value.trim();
      input.value = "";
      resolve(field === null ? agreed : agreed ? given : null);
    }, { once: true });
  });
}

export function startDialogs() {
  $("#ask-no").addEventListener("click", () => $("#ask").close(""));
}

/** Ask for the server's key; those who ask meanwhile wait for the same answer. Rejects when dismissed. */
export function askKey() {
  keyAsked ??= readKey().finally(() => { keyAsked = null; });
  return keyAsked;
}

async function readKey() {
  const field = { label: t("key.label"), type: "password", value: "" };
  for (let text = t("key.text"); ; text = t("key.wrong")) {
    const key = await ask({ title: t("key.title"), text, yes: t("key.yes"), field });
    if (!key) throw Object.assign(new Error(t("key.needed")), { status: 401 });
    if (!/^[!-~]+$/.test(key) || /[;,"\\]/.test(key)) continue; // what a cookie cannot hold is no key
    // A cookie, as the address of a <video> cannot carry a header.
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `lipwright_key=${key}; Path=/; SameSite=Strict; Max-Age=31536000${secure}`;
    const answer = await fetch("v1/jobs?limit=1").catch(() => null);
    if (answer?.status !== 401) return;
  }
}
