// The page's own server: what is asked of it, and what it tells.

async function post(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return await answer.json();
  } catch {
    return { ok: false, sent: false, error: "the sandbox does not answer: is it still running?" };
  }
}

export const act = (who, what, more = {}) => post("/api/act", { who, do: what, ...more });
export const skip = (minutes) => post("/api/skip", minutes ? { minutes } : {});
export const tamper = (way) => post("/api/tamper", { way });
export const reset = () => post("/api/reset", {});

export async function hood(kind, after) {
  const answer = await fetch(`/api/hood/${kind}?after=${after}`);
  return answer.json();
}

// What `who` sees, now and after every change. Returns a function that ends it.
export function live(who, told, lost) {
  const source = new EventSource(`/api/live?who=${encodeURIComponent(who)}`);
  source.onmessage = (event) => told(JSON.parse(event.data));
  source.onerror = () => lost();
  return () => source.close();
}
