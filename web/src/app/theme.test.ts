import { expect, it } from "vitest";
import { fa } from "../texts/fa";
import { spoken } from "./theme";

it("names the x of every dialog in the reader's language", () => {
  expect(spoken(fa).components?.Modal?.defaultProps).toEqual({
    closeButtonProps: { "aria-label": fa.common.close },
  });
});
