// The trace by colour: pointing at a value, or reaching it with Tab, lights up its source and what was made of it.
const all = [...document.querySelectorAll("[data-k]")];
const keysOf = (element) => element.dataset.k.split(" ");

function light(keys) {
  for (const element of all) element.classList.toggle("lit", keysOf(element).some((key) => keys.has(key)));
}

function pointed(event) {
  const element = event.target.closest?.("[data-k]");
  light(new Set(element ? keysOf(element) : []));
}

document.addEventListener("pointerover", pointed);
document.addEventListener("focusin", pointed);
