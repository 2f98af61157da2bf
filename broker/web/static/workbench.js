// The trace by colour: pointing at a value, or reaching it with Tab, lights up its source and what was made of it.
const all = [...document.querySelectorAll("[data-k]")];
const chosen = { pointerover: [], focusin: [] };

function choose(event) {
  chosen[event.type] = event.target.closest?.("[data-k]")?.dataset.k.split(" ") ?? [];
  const keys = new Set(Object.values(chosen).flat());
  for (const element of all) element.classList.toggle("lit", element.dataset.k.split(" ").some((key) => keys.has(key)));
}

for (const kind of Object.keys(chosen)) document.addEventListener(kind, choose);
