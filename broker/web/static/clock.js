// The site's wall time, counted on from what the server said: the clock and zone of this computer do not matter.
const clock = document.getElementById("clock");
let wall = Date.parse(clock.dataset.wall + "Z");
let since = performance.now();

const two = (number) => String(number).padStart(2, "0");

/** Wall time at the site now, as a Date whose UTC parts are the local ones. */
export const siteTime = () => new Date(wall + performance.now() - since);

/** "10:42" */
export const hourMinute = (time) => `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}`;

/** Believe the server's wall time from now on. */
export function setTime(iso) {
  wall = Date.parse(iso + "Z");
  since = performance.now();
}

export function showTime() {
  const now = siteTime();
  clock.firstChild.data = hourMinute(now);
  clock.querySelector("small").textContent = two(now.getUTCSeconds());
  setTimeout(showTime, 1000 - now.getUTCMilliseconds() + 5);
}
