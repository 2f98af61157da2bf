// Keys: / search, arrows between lines, Enter opens, Escape back, ? help.  Nothing is taken while somebody types.
const typing = (element) => element.closest?.("input, select, textarea, dialog[open]");

const links = () => [...document.querySelectorAll("tr.step .patient a")];

function move(by) {
  const all = links();
  if (!all.length) return;
  const here = all.indexOf(document.activeElement);
  const next = here < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, here + by));
  all[next].focus();
  all[next].closest("tr").scrollIntoView({ block: "nearest" });
}

const actions = {
  "/": () => document.getElementById("find").select(),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  "?": () => document.getElementById("help").showModal(),
  Escape: () => {
    if (location.pathname !== "/") location.assign("/");
  },
};

export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const arrow = event.key.startsWith("Arrow");
    const action = actions[event.key];
    if (!action || (arrow && !links().length)) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr.step");
    if (!row || event.target.closest("a, button") || String(getSelection())) return;
    row.querySelector(".patient a").click();
  });
}
