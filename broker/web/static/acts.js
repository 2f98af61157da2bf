// What people say about steps: the buttons of a row and the keys a, s, d, without leaving the board; and Undo right after.
// Without script the buttons post the same form, and the page comes back.
const form = document.getElementById("acts");
const note = document.getElementById("said");
const SHOWN = 12000;
const keys = { a: "arrive", s: "start", d: "complete" };
const words = { arrive: "arrived", start: "in progress", complete: "done", undo: "as before" };
let timer = 0;

function tell(text, tone, label = "", act = null) {
  clearTimeout(timer);
  note.hidden = false;
  note.dataset.tone = tone;
  note.querySelector("p").textContent = text;
  const button = note.querySelector("button");
  button.hidden = !act;
  button.textContent = label;
  button.onclick = act;
  timer = setTimeout(() => (note.hidden = true), SHOWN);
}

const patient = (key) => document.querySelector(`tr[data-key="step-${key}"] .patient a`)?.textContent ?? "The step";

/** Say it through the programming interface; the board follows by itself. */
async function say(key, act, although = false) {
  const name = patient(key);
  const options = {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": form.elements.csrf_token.value },
    body: JSON.stringify({ although_running: although }),
  };
  let answer;
  try {
    answer = await fetch(`/api/v1/steps/${key}/${act}`, options);
  } catch {
    return tell("The broker cannot be reached; nothing was changed.", "bad");
  }
  if (answer.status === 401) return location.reload();
  const content = await answer.json();
  if (answer.ok) {
    const undo = act === "undo" ? null : () => say(key, "undo");
    return tell(`${name}: ${words[act]}${act === "undo" ? "" : ", inferred"}`, "good", "Undo", undo);
  }
  const anyway = content.although_running ? () => say(key, act, true) : null;
  return tell(`${name}: ${content.error.why}`, "bad", "Close it all the same", anyway);
}

const place = (button) => button.getAttribute("formaction").split("/").slice(2);

export function listenToActs() {
  if (!form) return;
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.hasAttribute("formaction")) return;
    event.preventDefault();
    say(...place(button));
  });
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest?.("input, select, textarea, dialog[open]")) return;
    event.preventDefault();
    const row = document.activeElement.closest?.("tr.step");
    if (row) say(row.dataset.key.replace("step-", ""), act);
    else tell("Choose a line first: ↓ and ↑.", "bad");
  });
}
