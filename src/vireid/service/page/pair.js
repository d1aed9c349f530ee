/** A query and a result side by side, with the places that make them alike. */

import { callJson } from "./api.js";
import { LIGHT, byId, make, showBlob, showError, showTime } from "./dom.js";
import { blobOf } from "./images.js";
import { cardOf } from "./results.js";

/**
 * Set the view up. `use(result)` and `join(result)` search with a result, `remove(result)` asks whether to delete it.
 * Returns {open, close, results}: `open` shows a result of {lists, queries}, where a query is {name, modality} with a
 * `file`, or with a `blob` and a `key`.
 */
export function makePair({ use, join, remove, mayDelete }) {
  const dialog = byId("pair");
  const evidence = byId("evidence");
  const explained = new Map();
  let search = null;
  let list = 0;
  let place = 0;
  let beside = 0;
  let running = new AbortController();

  const results = () => search.lists[list];
  const found = () => results()[place];
  const query = () => search.queries[beside];

  function open(current, atList, atPlace) {
    if (current !== search) explained.clear();
    search = current;
    list = atList;
    place = atPlace;
    // Of several queries that were searched as one, the one that was looked at last stays.
    beside = search.lists.length > 1 ? atList : Math.min(beside, search.queries.length - 1);
    byId("pair-delete").hidden = !mayDelete();
    offerQueries();
    if (!dialog.open) dialog.showModal();
    show();
  }

  function offerQueries() {
    const choice = byId("pair-queries");
    choice.hidden = search.lists.length > 1 || search.queries.length < 2;
    const radios = search.queries.map((each, number) => {
      const radio = make("input", { type: "radio", name: "beside", checked: number === beside });
      radio.addEventListener("change", () => {
        beside = number;
        show();
      });
      return make("label", { title: each.name }, radio, ` ${number + 1}`);
    });
    choice.replaceChildren(choice.querySelector("legend"), ...radios);
  }

  function step(by) {
    const next = place + by;
    if (next < 0 || next >= results().length) return;
    place = next;
    show();
  }

  function show() {
    const result = found();
    byId("pair-title").textContent = `Result ${place + 1} of ${results().length}`;
    byId("pair-query-name").textContent = `Query, ${LIGHT[query().modality]}: ${query().name}`;
    byId("pair-result-name").textContent = `Result, ${LIGHT[result.modality]}: score ${result.score.toFixed(3)}`;
    byId("previous").disabled = place === 0;
    byId("next").disabled = place === results().length - 1;
    byId("pair-use").disabled = byId("pair-join").disabled = !result.image;
    byId("facts").replaceChildren(...facts(result));
    showImages();
  }

  async function showImages() {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const [asked, result] = [query(), found()];
    showError(byId("pair-error"), null);
    byId("pair-status").textContent = "";
    byId("scale").hidden = !evidence.checked;
    // The plain images first: they are there at once, and stay where nothing can be explained.
    showSide("pair-query", `Query ${asked.name}`, asked.file ?? asked.blob);
    try {
      const blob = await blobOf(result);
      if (signal.aborted) return;
      showSide("pair-result", "Result", blob);
    } catch {
      if (signal.aborted) return;
      showSide("pair-result", "The image of this result is not kept", null);
      if (evidence.checked) byId("pair-status").textContent = "Without its image nothing can be marked on it.";
      return;
    }
    if (evidence.checked) await showEvidence(asked, result, signal);
  }

  async function showEvidence(asked, result, signal) {
    const status = byId("pair-status");
    status.textContent = "Working out what makes them alike; without a GPU this takes a while …";
    try {
      const answer = await explain(asked, result, signal);
      if (signal.aborted) return;
      byId("pair-query").src = answer.query;
      byId("pair-result").src = answer.result;
      byId("pair-query").alt = `Query ${asked.name}, with the places marked that make the match`;
      byId("pair-result").alt = "Result, with the places marked that make the match";
      status.textContent = `Brighter places matter more to the likeness of these two, ${answer.score.toFixed(3)}; gray ones do not.`;
    } catch (error) {
      if (signal.aborted) return;
      status.textContent = "";
      showError(byId("pair-error"), error);
    }
  }

  async function explain(asked, result, signal) {
    const name = `${beside} ${result.key}`;
    if (!explained.has(name)) {
      const form = new FormData();
      if (asked.file) form.append("image", asked.file, asked.name);
      else form.append("query_key", asked.key);
      form.append("key", result.key);
      form.append("modality", asked.modality);
      explained.set(name, await callJson("api/explain", { form, signal }));
    }
    return explained.get(name);
  }

  dialog.addEventListener("keydown", (event) => {
    // Arrows choose among radio buttons where these have the focus.
    if (event.target.type === "radio" || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
  });
  dialog.addEventListener("close", () => {
    running.abort();
    (cardOf(list, place) ?? byId("found-title")).focus();
  });
  byId("pair-close").addEventListener("click", () => dialog.close());
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("pair-delete").addEventListener("click", () => remove(found()));
  evidence.addEventListener("change", showImages);
  for (const [id, action] of [["pair-use", use], ["pair-join", join]]) {
    byId(id).addEventListener("click", () => {
      const result = found();
      dialog.close();
      action(result);
    });
  }

  return { open, close: () => dialog.close(), isOpen: () => dialog.open, at: () => ({ list, place }) };
}

function showSide(id, alt, blob) {
  const image = byId(id);
  image.alt = alt;
  if (blob) showBlob(image, blob);
  else image.removeAttribute("src");
}

function facts(result) {
  const rows = [
    ["Camera", result.camera],
    ["Time", result.time && showTime(result.time, "medium")],
    ["Track", result.track],
    ["Person", result.person],
    ["Tags", result.tags?.join(", ")],
    ["Image", make("code", { title: `SHA-256 ${result.key}` }, result.key.slice(0, 12))],
  ];
  return rows.filter(([, value]) => value).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
}
