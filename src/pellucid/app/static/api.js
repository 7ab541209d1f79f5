// Requests to this page's own server. A library error arrives as an Error with its message.

export async function post(path, body, signal) {
  return answered(await fetch(path, {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body), signal,
  }));
}

export async function get(path) {
  return answered(await fetch(path));
}

async function answered(response) {
  const data = await response.json();
  if (!response.ok) throw new Error(data.error || `the server answered ${response.status}`);
  return data;
}

function bytes(text) {
  const packed = atob(text), found = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) found[i] = packed.charCodeAt(i);
  return found;
}

export const unpackBytes = bytes;
export const unpackFloats = (text) => new Float32Array(bytes(text).buffer);

// Only the newest of many requests counts: while one is under way, the next one waits, and newer ones take its place.
export function newest(ask) {
  let busy = false, waiting = null;
  return async function send(...args) {
    if (busy) { waiting = args; return; }
    busy = true;
    try {
      await ask(...args);
    } finally {
      busy = false;
      if (waiting) { const next = waiting; waiting = null; send(...next); }
    }
  };
}
