// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { api } from "../../api/client";
import { newQueries } from "../../app/queries";
import { shown } from "../../app/shown";
import { en } from "../../texts/en";
import { Prices } from "./Prices";

afterEach(() => vi.restoreAllMocks());

it.each([
  [30, false],
  [100, true],
])(
  "of %d previews a day, where everybody has 30, a plan promises: %s",
  async (previews_per_day, promised) => {
    const plan = {
      id: "prc_1",
      name: "Ten hours",
      credits_per_month: 36_000,
      amount_minor: 1490,
      currency: "eur",
    };
    const sold = { packs: [], plans: [{ ...plan, previews_per_day }], rates: [], previews_per_day: 30 };
    vi.spyOn(api, "GET").mockImplementation((async () => ({
      data: sold,
      response: new Response(),
    })) as never);
    const leave = await shown(newQueries(), <Prices />);
    const credits = en.credits.credits("36,000");
    await act(() => vi.waitFor(() => expect(document.body.textContent).toContain(credits)));
    const text = document.body.textContent ?? "";
    expect(text.includes(en.credits.previews(String(previews_per_day)))).toBe(promised);
    expect(text).not.toMatch(/more previews/);
    await leave();
  },
);
