/** The search form: what it asks the service, and what it does with the answer. */

import { callJson } from "./api.js";
import { LIGHT, byId, chosen, make, showError, withZone } from "./dom.js";
import { blobOf, forgetImages } from "./images.js";
import { makePicker } from "./picker.js";
import { showResults, summary } from "./results.js";

const MOST_QUERIES = 16;

/** Set the form up; `open(search, list, place)` shows a result beside its query. */
export function makeSearch(open) {
  let search = null;
  let running = null;
  const picker = makePicker(byId("query"), {
    most: MOST_QUERIES,
    changed: (items) => {
      byId("fuse-row").hidden = items.length < 2;
    },
  });
  const cameras = () => [...byId("cameras").querySelectorAll("input:checked")].map((box) => box.value);

  function formOf(items) {
    const form = new FormData();
    for (const item of items) {
      if (item.file) form.append("images", item.file, item.name);
      else form.append("keys", item.key);
    }
    form.append("modality", chosen("modality"));
    form.append("wanted", byId("wanted").value);
    for (const camera of cameras()) form.append("cameras", camera);
    for (const [name, value] of [["since", withZone(byId("since"))], ["until", withZone(byId("until"))]]) {
      if (value) form.append(name, value);
    }
    form.append("top", byId("top").value || "20");
    form.append("by_track", byId("by-track").checked);
    form.append("fuse", byId("fuse").checked);
    return form;
  }

  async function run() {
    // The service answers files first, then sightings of the gallery.
    const items = [...picker.items()].sort((one, other) => Boolean(one.key) - Boolean(other.key));
    const complaint = wrong(items);
    byId("search-error").textContent = complaint ?? "";
    if (complaint) return;
    running?.abort();
    const mine = (running = new AbortController());
    busy(true);
    const started = performance.now();
    try {
      const answer = await callJson("api/search", { form: formOf(items), signal: mine.signal });
      const queries = items.map((item, number) => ({ ...item, ...answer.queries[number], name: item.name }));
      search = { lists: answer.results, queries };
      render();
      byId("status").textContent = [summary(search.lists, performance.now() - started), ...guessed(queries)].join(" ");
      byId("found-title").focus({ preventScroll: true });
      if (byId("found-title").getBoundingClientRect().top > innerHeight / 2) {
        byId("found-title").scrollIntoView({ behavior: still() ? "auto" : "smooth" });
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      byId("status").textContent = search ? "These are the results of the search before." : "No results yet.";
      showError(byId("search-error"), error);
    } finally {
      if (running === mine) busy(false);
    }
  }

  function render() {
    showResults(search, { open: (list, place) => open(search, list, place), use });
  }

  async function asItem(result) {
    const named = [result.person && `person ${result.person}`, result.camera && `camera ${result.camera}`];
    const name = named.filter(Boolean).join(", ") || `image ${result.key.slice(0, 8)}`;
    return { name, key: result.key, modality: result.modality, blob: await blobOf(result) };
  }

  async function searchWith(result, change) {
    try {
      change(await asItem(result));
      await run();
    } catch (error) {
      showError(byId("search-error"), error);
    }
  }

  const use = (result) => searchWith(result, (item) => picker.set([item]));
  const join = (result) =>
    searchWith(result, (item) => {
      if (picker.items().some((other) => other.key === item.key)) return;
      // "The other light" says nothing once the queries are of both; go on with the light of this result.
      if (byId("wanted").value === "other") byId("wanted").value = result.modality;
      picker.add([item]);
    });

  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  byId("filters").addEventListener("change", countFilters);
  byId("zone").textContent = `Times are in this device's zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`;
  // On a phone the results would otherwise lie far below.
  byId("filters").open = matchMedia("(min-width: 60rem)").matches;

  function countFilters() {
    const set = cameras().length + Boolean(byId("since").value) + Boolean(byId("until").value);
    byId("filter-count").textContent = set ? `(${set} set)` : "";
  }

  return {
    picker,
    use,
    join,
    /** Take what `meant` is true of out of the results, without asking the service again. */
    without(meant) {
      search = { ...search, lists: search.lists.map((results) => results.filter((result) => !meant(result))) };
      render();
      return search;
    },
    say: (text) => {
      byId("status").textContent = text;
    },
    showCameras(counts) {
      const ticked = new Set(cameras());
      const boxes = Object.entries(counts).map(([name, count]) => {
        const box = make("input", { type: "checkbox", value: name, checked: ticked.has(name) });
        return make("label", {}, box, ` ${name} `, make("span", { class: "quiet" }, `(${count.toLocaleString()})`));
      });
      byId("cameras").replaceChildren(...(boxes.length ? boxes : ["No cameras are known yet."]));
    },
    forget() {
      running?.abort();
      search = null;
      picker.set([]);
      byId("search").reset();
      countFilters();
      forgetImages();
      byId("results").replaceChildren();
      byId("search-error").textContent = "";
      byId("status").textContent = "Pick an image to begin.";
    },
  };
}

function wrong(items) {
  if (!items.length) return "Pick an image of the person first.";
  const [since, until] = [byId("since"), byId("until")];
  if (since.validity.badInput || until.validity.badInput) return "A time needs its date and its hour; fill in both.";
  if (since.value && until.value && since.value >= until.value) return "“From” must lie before “until”.";
  const top = byId("top");
  return top.value && !top.validity.valid ? `Between ${top.min} and ${top.max} results can be shown.` : null;
}

/** Which light was found out, for whoever knows better. */
function guessed(queries) {
  const found = queries.filter((query) => query.found);
  const kinds = [...new Set(found.map((query) => LIGHT[query.modality]))];
  if (!found.length) return [];
  if (kinds.length === 1) return [`${found.length > 1 ? "The queries were" : "The query was"} taken for ${kinds[0]}.`];
  return [`Taken for ${LIGHT.infrared}: ${found.filter((query) => query.modality === "infrared").map((query) => query.name).join(", ")}.`];
}

function busy(on) {
  byId("results").setAttribute("aria-busy", on);
  byId("search-button").textContent = on ? "Searching …" : "Search";
  if (on) byId("status").textContent = "Searching …";
}

const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
