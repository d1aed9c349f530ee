/** Images that a user has picked, dropped, pasted, or taken from the results. */

import { make, showBlob } from "./dom.js";

/**
 * Make a picker of a fieldset that holds a file input, a list and a place for errors.
 * An item is {name, file} for a file and {name, key, blob, modality} for a sighting of the gallery.
 */
export function makePicker(root, { most, changed }) {
  const input = root.querySelector("input[type=file]");
  const list = root.querySelector(".picked");
  const problem = root.querySelector(".error");
  let items = [];

  function render() {
    list.replaceChildren(...items.map(entry));
    changed(items);
  }

  function entry(item, place) {
    const image = make("img", { alt: item.name });
    image.addEventListener("error", () => image.replaceWith(make("span", { class: "unseen" }, item.name)), { once: true });
    showBlob(image, item.file ?? item.blob);
    const remove = make("button", { type: "button", "aria-label": `Remove ${item.name}`, title: "Remove" }, "×");
    remove.addEventListener("click", () => {
      items = items.filter((other) => other !== item);
      render();
      (list.querySelectorAll("button")[Math.min(place, items.length - 1)] ?? input).focus();
    });
    return make("li", {}, image, remove);
  }

  function add(more) {
    problem.textContent = "";
    const room = most - items.length;
    if (more.length > room) {
      problem.textContent = `At most ${most} images at a time; ${more.length - room} of them were left out.`;
    }
    items = [...items, ...more.slice(0, Math.max(room, 0))];
    render();
  }

  const addFiles = (files) => add([...files].map((file) => ({ name: file.name || "pasted image", file })));

  input.addEventListener("change", () => {
    addFiles(input.files);
    // So that the same file can be picked again after it was removed.
    input.value = "";
  });

  return {
    items: () => items,
    add,
    addFiles,
    set(next) {
      items = [];
      add(next);
    },
  };
}

/** Take files that are dropped or pasted anywhere; `target` gives the picker to take them, or null. */
export function takeDropsAndPastes(target) {
  const withFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (on) => document.body.classList.toggle("dropping", on && target() !== null);
  document.addEventListener("dragover", (event) => {
    if (!withFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) mark(false);
  });
  document.addEventListener("drop", (event) => {
    if (!withFiles(event)) return;
    // Or the browser would leave the page to show the file.
    event.preventDefault();
    mark(false);
    target()?.addFiles(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (files.length && target() !== null) {
      event.preventDefault();
      target().addFiles(files);
    }
  });
}
