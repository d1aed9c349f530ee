/** Deleting sightings, after the service has said how many they are and the user has agreed to that number. */

import { callJson } from "./api.js";
import { byId, chosen, make, plural, showError } from "./dom.js";

/** Set the dialog up; returns a function that asks about a result. `deleted(matches)` is told which are gone. */
export function makeDeletion(deleted) {
  const dialog = byId("deletion");
  const button = byId("deletion-do");
  let scopes = {};
  let running = new AbortController();

  async function count() {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const status = byId("deletion-count");
    button.disabled = true;
    button.textContent = "Delete";
    status.textContent = "Counting …";
    showError(byId("deletion-error"), null);
    try {
      const json = { ...scopes[chosen("deletion-scope")].conditions, dry_run: true };
      const { sightings } = await callJson("api/delete", { json, signal });
      status.textContent = `${plural(sightings, "image", "images")} will be deleted. This cannot be undone.`;
      button.textContent = `Delete ${plural(sightings, "image", "images")}`;
      button.disabled = sightings === 0;
    } catch (error) {
      if (signal.aborted) return;
      status.textContent = "";
      showError(byId("deletion-error"), error);
    }
  }

  async function doDelete() {
    const scope = scopes[chosen("deletion-scope")];
    button.disabled = true;
    try {
      const { sightings } = await callJson("api/delete", { json: { ...scope.conditions, dry_run: false } });
      dialog.close();
      deleted(scope.meant, sightings);
    } catch (error) {
      showError(byId("deletion-error"), error);
      button.disabled = false;
    }
  }

  byId("deletion-keep").addEventListener("click", () => dialog.close());
  button.addEventListener("click", doDelete);
  // Enter in the form must not close it as if something had been decided.
  dialog.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  dialog.addEventListener("close", () => running.abort());

  return (result) => {
    scopes = { image: { label: "This image", conditions: { keys: [result.key] }, meant: (each) => each.key === result.key } };
    for (const [name, label, plurals] of [["track", "All of track", "tracks"], ["person", "All of person", "persons"]]) {
      if (!result[name]) continue;
      const value = result[name];
      scopes[name] = { label: `${label} ${value}`, conditions: { [plurals]: [value] }, meant: (each) => each[name] === value };
    }
    const radios = Object.entries(scopes).map(([name, { label }]) => {
      const radio = make("input", { type: "radio", name: "deletion-scope", value: name, checked: name === "image" });
      radio.addEventListener("change", count);
      return make("label", {}, radio, ` ${label}`);
    });
    const fieldset = byId("deletion-scope");
    fieldset.replaceChildren(fieldset.querySelector("legend"), ...radios);
    dialog.showModal();
    byId("deletion-keep").focus();
    count();
  };
}
