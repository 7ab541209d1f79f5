// Requests to the server that serves this page. An error of the library arrives as an Error with the library's message.

const RETRY = 2000;                                  // milliseconds between two attempts to reach the server

// Whether the server answers. Events: "lost" and "back" (`lost` changed).
class ServerConnection extends EventTarget {
  lost = false;

  // Asks for a small file, and sets `lost`. While the server does not answer, it is asked again and again.
  async probe() {
    try {
      await fetch("/static/icon.svg", {cache: "no-store"});
      this.#set(false);
    } catch {
      this.#set(true);
      setTimeout(() => this.probe(), RETRY);
    }
  }

  #set(lost) {
    if (lost === this.lost) return;
    this.lost = lost;
    this.dispatchEvent(new Event(lost ? "lost" : "back"));
  }

  async fetch(...request) {
    try {
      return await fetch(...request);
    } catch {
      if (!this.lost) this.probe();
      throw new Error(UNREACHABLE);
    }
  }
}

export const connection = new ServerConnection();
export const UNREACHABLE = "the server does not answer";

export async function post(path, body) {
  return parsed(await connection.fetch(path, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
  }));
}

export async function get(path) {
  return parsed(await connection.fetch(path));
}

async function parsed(response) {
  const data = await response.json();
  if (!response.ok) throw new Error(data.error || `the server answered with status ${response.status}`);
  return data;
}

// Arrays arrive as base64 text: uint8 or float32 values.
export function unpackBytes(text) {
  const packed = atob(text), bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return bytes;
}

export const unpackFloats = (text) => new Float32Array(unpackBytes(text).buffer);

// Wraps an asynchronous function so that it runs once at a time. Calls during a run are merged: only the last one is executed,
// after the run.
export function latestOnly(run) {
  let busy = false, pending = null;
  return async function call(...args) {
    if (busy) { pending = args; return; }
    busy = true;
    try {
      await run(...args);
    } finally {
      busy = false;
      if (pending) { const next = pending; pending = null; call(...next); }
    }
  };
}
