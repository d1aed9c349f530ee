/** Small helpers for the document; text is always set as text, so nothing that a user typed becomes markup. */

/** What users call the modalities. */
export const LIGHT = { visible: "visible light", infrared: "infrared" };

export const byId = (id) => document.getElementById(id);

/** An element with attributes (a function becomes a listener, true and false set or leave out) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Show an error's sentence in its place; what was ended on purpose is no error. */
export function showError(place, error) {
  if (error?.name === "AbortError") return;
  place.textContent = error ? error.message : "";
}

/** Show a blob; its address is given back as soon as the image is there. */
export function showBlob(image, blob) {
  const url = URL.createObjectURL(blob);
  const done = () => URL.revokeObjectURL(url);
  image.addEventListener("load", done, { once: true });
  image.addEventListener("error", done, { once: true });
  image.src = url;
}

export const plural = (count, one, many) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** The value of the ticked radio button of a name. */
export const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

/** A local date and time as ISO 8601 with a zone; undefined where none is set. */
export function withZone(input) {
  return input.value ? new Date(input.value).toISOString() : undefined;
}

/** A time of the service in the zone of whoever looks; `timeStyle` as Intl has it. */
export function showTime(time, timeStyle = "short") {
  const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle }).format(new Date(time));
  return make("time", { datetime: time, title: time }, shown);
}
