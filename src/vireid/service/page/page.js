/** The page: log-in, which view is shown, and how the parts work together. */

import { makeAdding } from "./adding.js";
import { callJson, forgetToken, keepToken, storedToken, whenRefused } from "./api.js";
import { makeDeletion } from "./deletion.js";
import { byId, make, plural, showError } from "./dom.js";
import { makePair } from "./pair.js";
import { takeDropsAndPastes } from "./picker.js";
import { makeSearch } from "./searching.js";

const MAY_CHANGE = ["operator", "admin"];
let me = null;
let view = "search";

const search = makeSearch((...where) => pair.open(...where));
const adding = makeAdding(refresh);
const askToDelete = makeDeletion((meant, sightings) => {
  const current = search.without(meant);
  search.say(`${plural(sightings, "image was", "images were")} deleted.`);
  if (pair.isOpen()) {
    const { list, place } = pair.at();
    const left = current.lists[list].length;
    if (left) pair.open(current, list, Math.min(place, left - 1));
    else pair.close();
  }
  refresh();
});
const pair = makePair({
  use: search.use,
  join: search.join,
  remove: askToDelete,
  mayDelete: () => MAY_CHANGE.includes(me?.role),
});
takeDropsAndPastes(() => {
  if (!me || document.querySelector("dialog[open]")) return null;
  return view === "add" ? adding.picker : search.picker;
});

function showView(name) {
  view = name;
  for (const each of ["search", "add"]) byId(`view-${each}`).hidden = !me || each !== name;
  for (const button of document.querySelectorAll("[data-view]")) {
    if (button.dataset.view === name) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
}

function showCaller() {
  byId("log-in").hidden = Boolean(me);
  byId("views").hidden = byId("caller").hidden = !me;
  byId("caller-name").textContent = me ? `${me.name}, ${me.role}` : "";
  document.querySelector('[data-view="add"]').hidden = !MAY_CHANGE.includes(me?.role);
  const gallery = me?.gallery;
  byId("gallery").textContent = gallery ? plural(gallery.sightings, "image", "images") : "";
  byId("gallery").title = gallery ? `In the gallery. Model ${gallery.model}; vireid ${me.version}` : "";
}

/** Ask anew what the gallery holds. A fault here is told by whatever the user does next. */
async function refresh() {
  try {
    const [mine, cameras, persons] = await Promise.all(["api/me", "api/cameras", "api/persons"].map((path) => callJson(path)));
    me = mine;
    showCaller();
    search.showCameras(cameras);
    for (const [list, counts] of [["camera-names", cameras], ["person-names", persons]]) {
      byId(list).replaceChildren(...Object.keys(counts).map((value) => make("option", { value })));
    }
  } catch (error) {
    if (me) search.say(error.message);
  }
}

async function logIn(token) {
  showError(byId("log-in-error"), null);
  try {
    // What is no header would fail in the browser, with a message that is not for users.
    if (!/^[\x21-\x7e]+$/.test(token)) throw new Error(token ? "A token has no spaces and no letters with accents." : "Enter your token.");
    me = await callJson("api/me", { token });
  } catch (error) {
    const unknown = error.status === 401;
    if (unknown) forgetToken();
    logOut();
    const message = "The service does not know this token. Check that it is whole, or ask an admin for another.";
    showError(byId("log-in-error"), unknown ? new Error(message) : error);
    byId("token").focus();
    return;
  }
  keepToken(token);
  byId("token").value = "";
  showCaller();
  showView("search");
  byId("query-files").focus();
  await refresh();
}

function logOut() {
  me = null;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  search.forget();
  adding.forget();
  showCaller();
  showView("search");
}

whenRefused(() => {
  forgetToken();
  logOut();
  showError(byId("log-in-error"), new Error("The service no longer takes your token. Log in with another."));
  byId("token").focus();
});
byId("log-in").addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(byId("token").value.trim());
});
byId("log-out").addEventListener("click", () => {
  forgetToken();
  logOut();
  byId("token").focus();
});
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => showView(button.dataset.view));
}

if (storedToken()) {
  logIn(storedToken());
} else {
  showCaller();
  byId("token").focus();
}
