/** Idempotency keys that are the same for the same request, also of another run of the program. */
export async function keyOf(...facts: unknown[]): Promise<string> {
  const text = new TextEncoder().encode(JSON.stringify(facts, sorted));
  return hex(await crypto.subtle.digest("SHA-256", text));
}

export function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sorted(_name: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}
