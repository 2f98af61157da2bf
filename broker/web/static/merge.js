// Bringing a page up to date: keyed parts that differ are replaced, all others stay as they are, with focus and
// opened details.  Parts marked data-merge are merged by their own parts.
const asReceived = new WeakMap(); // what the server sent, before this page changed anything in it

/** Remember every keyed part as received. */
export function remember(root) {
  for (const part of root.querySelectorAll("[data-key]")) asReceived.set(part, part.outerHTML);
}

const keyed = (parent) => [...parent.children].filter((child) => child.dataset.key !== undefined);

/** True when the new content would move lines, not only change them. */
export function moves(old, fresh) {
  const order = (root) => [...root.querySelectorAll("tr[data-key]")].map((row) => row.dataset.key).join();
  return order(old) !== order(fresh);
}

/** Make `old` show what `fresh` says; what is new or different fades in once. */
export function merge(old, fresh) {
  for (const name of fresh.getAttributeNames()) old.setAttribute(name, fresh.getAttribute(name));
  const present = new Map(keyed(old).map((part) => [part.dataset.key, part]));
  let place = keyed(old)[0] ?? null;
  for (const part of keyed(fresh)) {
    const known = present.get(part.dataset.key);
    present.delete(part.dataset.key);
    const shown = settle(known, part);
    if (shown === place || known === place) place = shown.nextElementSibling;
    else old.insertBefore(shown, place);
  }
  for (const gone of present.values()) gone.remove();
}

function settle(known, part) {
  if (!known) return fadeIn(part);
  if (asReceived.get(known) === part.outerHTML) return known;
  if (known.dataset.merge !== undefined && part.dataset.merge !== undefined) {
    const received = part.outerHTML;
    merge(known, part);
    asReceived.set(known, received);
    return known;
  }
  return replace(known, part);
}

function replace(known, part) {
  const focused = known.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const opened = known.querySelector("details[open]") !== null;
  known.replaceWith(fadeIn(part));
  if (opened) part.querySelector("details")?.setAttribute("open", "");
  if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  return part;
}

function fadeIn(part) {
  asReceived.set(part, part.outerHTML);
  for (const inner of part.querySelectorAll("[data-key]")) asReceived.set(inner, inner.outerHTML);
  if (part.matches("tr.step, li.moment")) {
    part.classList.add("fresh");
    part.addEventListener("animationend", () => part.classList.remove("fresh"), { once: true });
  }
  return part;
}
