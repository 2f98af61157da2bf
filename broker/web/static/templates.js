// Live preview: a moment after the last key, what the template makes is asked for and put beside it.
const form = document.getElementById("template-form");
const REST = 300;
let timer = 0;
let asked = 0;

async function look() {
  const mine = ++asked;
  const answer = await fetch("/templates", { method: "POST", headers: { "X-Fragment": "1" }, body: new FormData(form) });
  if (answer.status === 401) return location.reload();
  const text = await answer.text();
  if (!answer.ok || mine !== asked) return;
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("preview");
  document.getElementById("preview").replaceWith(fresh);
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => look().catch(() => {}), REST); // an answer that does not come: the button still works
});
