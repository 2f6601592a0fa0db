// @vitest-environment happy-dom

import { expect, it } from "vitest";
import { cameFrom } from "./App";
import { HOME } from "./pages";

it("leads back to a path of this app after signing in", () => {
  expect(cameFrom(`?next=${encodeURIComponent("/separations/job_1?a=b")}`)).toBe("/separations/job_1?a=b");
});

it.each([
  "https://evil.example",
  "//evil.example",
  "/\\evil.example",
  "javascript:alert(1)",
  "",
  "evil.example",
])("never leads elsewhere: %s", (next) => {
  expect(cameFrom(`?next=${encodeURIComponent(next)}`)).toBe(HOME);
});
