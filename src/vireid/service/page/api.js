/** Calls to the service: the token goes into a header, never into an address, and whatever fails becomes a sentence. */

const STORED = "vireid-token";

/** Something went wrong that the user can be told; status is 0 where the service did not answer. */
export class ServiceError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

let refused = () => {};

/** What to do when the service no longer takes the token. */
export function whenRefused(action) {
  refused = action;
}

export const storedToken = () => sessionStorage.getItem(STORED);
export const keepToken = (token) => sessionStorage.setItem(STORED, token);
export const forgetToken = () => sessionStorage.removeItem(STORED);

/**
 * Ask the service; `form` (FormData) or `json` make it a POST.
 * Throws a ServiceError, or an AbortError where `signal` ended it.
 */
export async function call(path, { form, json, signal, token } = {}) {
  const presented = token ?? storedToken() ?? "";
  const headers = { Authorization: `Bearer ${presented}` };
  let body = form;
  if (json !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body, signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("The service does not answer. Is it running, and is this device connected? Try again.", 0);
  }
  if (response.ok) return response;
  const error = new ServiceError(await sentence(response), response.status);
  // An answer to a token that has been given up meanwhile says nothing about the present one.
  if (response.status === 401 && token === undefined && presented === storedToken()) refused(error);
  throw error;
}

export async function callJson(path, options) {
  return (await call(path, options)).json();
}

async function sentence(response) {
  let detail;
  try {
    detail = (await response.json()).detail;
  } catch {
    detail = undefined;
  }
  // A request that does not fit the interface at all is answered with a list of what does not.
  if (Array.isArray(detail)) detail = detail.map((entry) => `${(entry.loc ?? []).join(".")}: ${entry.msg}`).join("; ");
  if (!detail) return `The service answered with status ${response.status} and no reason.`;
  const text = String(detail);
  return text[0].toUpperCase() + text.slice(1);
}
