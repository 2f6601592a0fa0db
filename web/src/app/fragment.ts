import { useSyncExternalStore } from "react";

function subscribe(heard: () => void): () => void {
  addEventListener("hashchange", heard);
  return () => removeEventListener("hashchange", heard);
}

function token(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}

/** The token of a link from a mail: it stands behind the # of the address, which browsers send to nobody. */
export function useTokenOfLink(): string | null {
  return useSyncExternalStore(subscribe, token);
}
