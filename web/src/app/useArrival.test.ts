// @vitest-environment happy-dom

import { act, createElement } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, expect, it, vi } from "vitest";
import { navigate } from "wouter/use-browser-location";
import { useArrival } from "./useArrival";

function Page() {
  useArrival();
  return createElement("main", { id: "content", tabIndex: -1 }, createElement("a", { href: "/x" }, "x"));
}

afterEach(() => {
  vi.unstubAllGlobals();
  navigate("/", { replace: true });
});

it("brings to the top and to the content where a link leads, and nowhere else", async () => {
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  const scrolled = vi.fn();
  vi.stubGlobal("scrollTo", scrolled);
  document.body.innerHTML = "<div></div>";
  const root = createRoot(document.querySelector("div") as HTMLElement);
  await act(async () => root.render(createElement(Page)));

  navigate("/separations");
  expect(scrolled.mock.calls).toEqual([[0, 0]]);
  expect(document.activeElement?.id).toBe("content");

  document.querySelector("a")?.focus();
  navigate("/separations");
  navigate("/sign-in", { replace: true });
  dispatchEvent(new PopStateEvent("popstate"));
  expect(scrolled).toHaveBeenCalledOnce();
  expect(document.activeElement?.tagName).toBe("A");
  await act(async () => root.unmount());
});
