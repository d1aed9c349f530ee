/** The results as a grid of cards, a list for each query. */

import { byId, make, plural, showTime } from "./dom.js";
import { forgetImages, lazyImage } from "./images.js";

/** Show lists of results. `open(list, place)` is called for a card, `use(result)` for its query button. */
export function showResults({ lists, queries }, { open, use }) {
  forgetImages();
  const several = lists.length > 1;
  byId("results").replaceChildren(
    ...lists.map((results, list) =>
      make(
        "section",
        { "aria-label": several ? `Results of ${queries[list].name}` : "Best first" },
        several ? make("h3", {}, `For ${queries[list].name}`) : null,
        results.length ? grid(results, list, open, use) : make("p", { class: "quiet" }, "Nothing meets these conditions."),
      ),
    ),
  );
}

/** One line about what was found. */
export function summary(lists, milliseconds) {
  const found = lists.reduce((sum, results) => sum + results.length, 0);
  const seconds = (milliseconds / 1000).toLocaleString(undefined, { maximumFractionDigits: 2 });
  return found
    ? `${plural(found, "result", "results")} in ${seconds} s, the most alike first.`
    : "No results. Widen cameras, time or kind of light.";
}

export const cardOf = (list, place) => document.querySelector(`.card[data-list="${list}"][data-place="${place}"]`);

/** A sighting in a few words. */
export function describe(result) {
  const parts = [`score ${result.score.toFixed(3)}`];
  if (result.camera) parts.push(`camera ${result.camera}`);
  if (result.person) parts.push(`person ${result.person}`);
  return parts.join(", ");
}

function grid(results, list, open, use) {
  const cards = make("ol", { class: "grid" }, ...results.map((result, place) => card(result, list, place, open, use)));
  cards.addEventListener("keydown", (event) => moveFocus(event, cards));
  return cards;
}

function card(result, list, place, open, use) {
  const button = make(
    "button",
    {
      type: "button",
      class: "card",
      "data-list": list,
      "data-place": place,
      "data-key": result.key,
      "aria-label": `Result ${place + 1}: ${describe(result)}. Compare`,
      click: () => open(list, place),
    },
    lazyImage(result, ""),
    make("span", { class: "score" }, make("span", { class: "quiet" }, `${place + 1}`), result.score.toFixed(3)),
    result.camera ? make("span", {}, `Camera ${result.camera}`) : null,
    result.time ? make("span", {}, showTime(result.time)) : null,
    result.track ? make("span", {}, `Track ${result.track}`) : null,
    result.person ? make("span", {}, `Person ${result.person}`) : null,
  );
  const query = make("button", { type: "button", class: "use", click: () => use(result) }, "Use as query");
  query.setAttribute("aria-label", `Use result ${place + 1} as query`);
  return make("li", {}, button, result.image ? query : null);
}

/** Arrow keys, Home and End go from card to card as they lie on the screen. */
function moveFocus(event, cards) {
  const all = [...cards.querySelectorAll(".card")];
  const here = all.indexOf(document.activeElement);
  if (here < 0) return;
  const top = all[0].getBoundingClientRect().top;
  const columns = all.filter((other) => Math.abs(other.getBoundingClientRect().top - top) < 1).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -here, End: all.length };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next = here + steps[event.key];
  all[event.key === "End" ? all.length - 1 : next]?.focus();
}
