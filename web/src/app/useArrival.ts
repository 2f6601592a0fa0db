import { useEffect } from "react";

/**
 * A link leads to the top of its page, and whoever does not see the page to its content. Back and forward are the
 * browser's, which remembers where each page was.
 */
export function useArrival(): void {
  useEffect(() => {
    let here = location.pathname + location.search;
    const look = () => {
      const before = here;
      here = location.pathname + location.search;
      return before !== here;
    };
    const arrive = () => {
      if (!look()) return;
      scrollTo(0, 0);
      document.getElementById("content")?.focus({ preventScroll: true });
    };
    // As wouter tells of them.
    addEventListener("pushState", arrive);
    addEventListener("replaceState", look);
    addEventListener("popstate", look);
    return () => {
      removeEventListener("pushState", arrive);
      removeEventListener("replaceState", look);
      removeEventListener("popstate", look);
    };
  }, []);
}
