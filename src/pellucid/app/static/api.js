// Requests to the server that serves this page. An error of the library arrives as an Error with the library's message.

export async function post(path, body) {
  return parsed(await fetch(path, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
  }));
}

export async function get(path) {
  return parsed(await fetch(path));
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
