import { expect, it } from "vitest";
import { formats, shortened } from "./formats";

it("writes amounts of currencies with and without a smaller unit", () => {
  expect(formats("en").money(1234, "eur")).toBe("€12.34");
  expect(formats("en").money(1234, "jpy")).toBe("JP¥1,234");
});

it("writes lengths as players do", () => {
  expect(formats("en").duration(187.4)).toBe("3:07");
  expect(formats("en").duration(3723)).toBe("1:02:03");
  expect(formats("fa").duration(187)).toBe("۳:۰۷");
});

it("cuts a text between characters", () => {
  expect(shortened("ab🎵cd", 3)).toBe("ab🎵");
  expect(shortened("ab🎵cd", 2)).toBe("ab");
});
