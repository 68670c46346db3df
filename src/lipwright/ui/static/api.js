// Everything that goes to the server. Addresses are relative, so that the page also works behind a prefix.

import { askKey } from "./dialogs.js";
import { t } from "./words.js";

/** What the server refused, in its own sentence; status 0 where it did not answer. */
export class ApiError extends Error {
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

/** Ask the server; the answer's JSON, or null where there is none. `asks`: whether the user is asked for a missing key. */
export async function call(path, { method = "GET", body, asks = true } = {}) {
  for (;;) {
    const request = { method, headers: { Accept: "application/json" } };
    if (body !== undefined) {
      request.body = JSON.stringify(body);
      request.headers["Content-Type"] = "application/json";
    }
    let answer;
    try {
      answer = await fetch(path, request);
    } catch {
      throw new ApiError(t("server.away"), 0);
    }
    if (answer.status === 401 && asks) {
      await askKey();
      continue;
    }
    const text = await answer.text();
    if (!answer.ok) throw new ApiError(sentenceOf(text, answer.status), answer.status);
    return text ? JSON.parse(text) : null;
  }
}

/** Send a file to `path`; `onProgress` is told the share sent. Returns {done: promise of the answer, stop: function}. */
export function upload(path, file, onProgress) {
  let request;
  let stopped = false;
  const once = () => new Promise((resolve, reject) => {
    request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => resolve({ status: request.status, text: request.responseText });
    request.onerror = () => reject(new ApiError(t("server.away"), 0));
    request.onabort = () => reject(new ApiError("", 0));
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
  const run = async () => {
    for (;;) {
      const { status, text } = await once();
      if (status === 401 && !stopped) {
        await askKey();
        continue;
      }
      if (status < 200 || status > 299) throw new ApiError(sentenceOf(text, status), status);
      return JSON.parse(text);
    }
  };
  return { done: run(), stop: () => { stopped = true; request?.abort(); } };
}

/** Follow a job; returns a function that stops. A connection that breaks is opened again by the browser. */
export function follow(id, onJob) {
  const stream = new EventSource(`v1/jobs/${id}/events`);
  stream.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    onJob(job);
    if (isOver(job)) stream.close();
  });
  return { close: () => stream.close(), isClosed: () => stream.readyState === EventSource.CLOSED };
}

export const isOver = (job) => ["done", "failed", "cancelled"].includes(job.state);
export const outputOf = (job) => `v1/jobs/${job.id}/output`;
export const sourceOf = (job) => `v1/jobs/${job.id}/source`;

function sentenceOf(text, status) {
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string" && error) return error;
  } catch { /* a proxy's page, not the server's answer */ }
  return t("server.refused", { status });
}
