/** The form that adds images to the gallery. */

import { callJson } from "./api.js";
import { byId, chosen, plural, showError, withZone } from "./dom.js";
import { makePicker } from "./picker.js";

const MOST = 500;
const AT_ONCE = 8;

/** Set the form up; `done()` is called when images were added. Returns its picker and what forgets all. */
export function makeAdding(done) {
  const picker = makePicker(byId("added"), { most: MOST, changed: () => {} });

  async function run() {
    const items = picker.items();
    const error = byId("add-error");
    error.textContent = items.length ? "" : "Pick images first.";
    if (!items.length) return;
    byId("add-button").disabled = true;
    const sum = { added: 0, known: 0 };
    try {
      // A few at a time, so that no request grows beyond what the service takes.
      for (let first = 0; first < items.length; first += AT_ONCE) {
        byId("add-status").textContent = `Adding ${first + 1} of ${items.length} …`;
        const answer = await callJson("api/sightings", { form: formOf(items.slice(first, first + AT_ONCE)) });
        sum.added += answer.added;
        sum.known += answer.known;
      }
      picker.set([]);
      byId("add-status").textContent = told(sum);
    } catch (problem) {
      byId("add-status").textContent = sum.added + sum.known ? `${told(sum)} The others were not.` : "";
      showError(error, problem);
    } finally {
      byId("add-button").disabled = false;
      done();
    }
  }

  byId("add").addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });

  return {
    picker,
    forget() {
      picker.set([]);
      byId("add").reset();
      byId("add-error").textContent = byId("add-status").textContent = "";
    },
  };
}

function told({ added, known }) {
  const first = `${plural(added, "image was", "images were")} added.`;
  return known ? `${first} ${plural(known, "image was", "images were")} in the gallery already.` : first;
}

function formOf(items) {
  const form = new FormData();
  for (const item of items) form.append("images", item.file, item.name);
  form.append("modality", chosen("added-modality"));
  for (const name of ["camera", "track", "person"]) {
    const value = byId(`added-${name}`).value.trim();
    if (value) form.append(name, value);
  }
  const time = withZone(byId("added-time"));
  if (time) form.append("time", time);
  for (const tag of byId("added-tags").value.split(",").map((each) => each.trim()).filter(Boolean)) form.append("tags", tag);
  return form;
}
