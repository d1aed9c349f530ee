/** Images of the gallery: fetched with the token, only when they come near the screen, and forgotten with their results. */

import { call } from "./api.js";
import { make, showBlob } from "./dom.js";

const blobs = new Map();

/** The image of a sighting as a blob; rejected where there is none. */
export function blobOf(sighting) {
  if (!sighting.image) return Promise.reject(new Error("No image is kept"));
  if (!blobs.has(sighting.key)) {
    // The service names the place from its root; the page may be served from a folder of another.
    const path = sighting.image.replace(/^\//, "");
    const blob = call(path).then((response) => response.blob());
    blob.catch(() => blobs.delete(sighting.key));
    blobs.set(sighting.key, blob);
  }
  return blobs.get(sighting.key);
}

export function forgetImages() {
  blobs.clear();
}

const watching = new IntersectionObserver(
  (entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      watching.unobserve(entry.target);
      entry.target.dispatchEvent(new Event("near"));
    }
  },
  { rootMargin: "300px" },
);

/** A frame that fills itself with the image of a sighting when it comes near the screen. */
export function lazyImage(sighting, alt) {
  const frame = make("span", { class: "frame" });
  frame.addEventListener("near", async () => {
    try {
      const blob = await blobOf(sighting);
      if (!frame.isConnected) return;
      const image = make("img", { alt });
      image.addEventListener("error", () => frame.replaceChildren("Image cannot be shown"), { once: true });
      frame.replaceChildren(image);
      showBlob(image, blob);
    } catch (error) {
      frame.replaceChildren(sighting.image ? "Image is not there" : "No image is kept");
    }
  });
  watching.observe(frame);
  return frame;
}
