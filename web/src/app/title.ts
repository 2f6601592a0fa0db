import { useEffect, useLayoutEffect } from "react";
import { useTexts } from "./language";

const SITE = "Stemwright";

function name(title: string): void {
  document.title = `${title} · ${SITE}`;
}

/** What kind of page the window shows. A page that knows more of itself says so by `useTitle`. */
export function usePageTitle(title: string): void {
  // Before anything on the page: what it says of itself comes after it, and stays.
  useLayoutEffect(() => name(title), [title]);
}

/** What in particular the page shows: a song, an endpoint. Nothing while that is not known. */
export function useTitle(title: string | null | undefined): void {
  const texts = useTexts();
  // With the language the page's own title is set anew before this one.
  // biome-ignore lint/correctness/useExhaustiveDependencies: set again in another language
  useEffect(() => {
    if (title) name(title);
  }, [title, texts]);
}
