// What every signed-in page does with script: the clock, live updates, keys, copy buttons.
// Without script the pages work too; they only do not change by themselves.
import { listenToActs } from "./acts.js";
import { showTime } from "./clock.js";
import { prepareCopying } from "./copy.js";
import { listenToKeys } from "./keys.js";
import { follow } from "./live.js";

showTime();
listenToKeys();
listenToActs();
prepareCopying();
follow();

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
