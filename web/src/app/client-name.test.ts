import { expect, it } from "vitest";
import { clientName } from "./client-name";

it.each([
  [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Chrome, Linux",
  ],
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36 Edg/140",
    "Edge, Windows",
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 (KHTML, like Gecko) Version/18.0 Mobile Safari/604",
    "Safari, iOS",
  ],
  ["python-httpx2/2.16 extra", "python-httpx2/2.16"],
])("is what a person calls it: %s", (userAgent, name) => {
  expect(clientName(userAgent)).toBe(name);
});
