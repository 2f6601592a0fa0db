// @vitest-environment happy-dom

import { act, createElement } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Actions, SPACE_PLAYS, useShortcuts } from "./useShortcuts";

const actions = {
  toggle: vi.fn(),
  seekBy: vi.fn(),
  toStart: vi.fn(),
  toEnd: vi.fn(),
  choose: vi.fn(),
  mute: vi.fn(),
  solo: vi.fn(),
  compare: vi.fn(),
  regionStart: vi.fn(),
  regionEnd: vi.fn(),
  loop: vi.fn(),
  spectrogram: vi.fn(),
  zoom: vi.fn(),
  speedBy: vi.fn(),
  keyBy: vi.fn(),
  asInTheSong: vi.fn(),
} satisfies Actions;

function Page() {
  useShortcuts(actions);
  return createElement(
    "div",
    null,
    createElement("textarea"),
    createElement("button", { type: "button" }),
    createElement("input", { type: "range" }),
    createElement("input", { type: "text" }),
    createElement("input", { type: "checkbox" }),
    createElement("p", { [SPACE_PLAYS]: "" }, createElement("input", { type: "radio" })),
  );
}

function press(key: string, code: string, at = "body", more: KeyboardEventInit = {}) {
  document
    .querySelector(at)
    ?.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true, ...more }));
}

describe("shortcuts", () => {
  let root: Root;

  beforeEach(async () => {
    vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
    vi.clearAllMocks();
    document.body.innerHTML = "<main></main>";
    root = createRoot(document.querySelector("main") as HTMLElement);
    await act(async () => root.render(createElement(Page)));
  });
  afterEach(async () => {
    await act(async () => root.unmount());
  });

  it("do what the list of keys says", () => {
    press(" ", "Space");
    press("ArrowLeft", "ArrowLeft");
    press("ArrowRight", "ArrowRight", "body", { shiftKey: true });
    press("2", "Digit2");
    press("+", "Equal");
    expect(actions.toggle).toHaveBeenCalledOnce();
    expect(actions.seekBy.mock.calls).toEqual([[-5], [1]]);
    expect(actions.choose).toHaveBeenCalledWith(1);
    expect(actions.zoom).toHaveBeenCalledWith(2);
  });

  it("are found by their place on a Persian keyboard", () => {
    press("ئ", "KeyM");
    press("م", "KeyL");
    press("و", "Comma");
    press("ج", "BracketLeft");
    expect(actions.mute).toHaveBeenCalledOnce();
    expect(actions.loop).toHaveBeenCalledOnce();
    expect(actions.speedBy.mock.calls).toEqual([[-0.05]]);
    expect(actions.regionStart).toHaveBeenCalledOnce();
  });

  it("leave to a field, a button and a fader what is theirs", () => {
    press("m", "KeyM", "textarea");
    press(" ", "Space", "button");
    press("ArrowLeft", "ArrowLeft", "input");
    press("m", "KeyM", "body", { ctrlKey: true });
    expect(actions.mute).not.toHaveBeenCalled();
    expect(actions.toggle).not.toHaveBeenCalled();
    expect(actions.seekBy).not.toHaveBeenCalled();
    press("m", "KeyM", "input");
    expect(actions.mute).toHaveBeenCalledOnce();
  });

  it("leave to a choice its arrows and Space, and to a text all letters", () => {
    press("ArrowLeft", "ArrowLeft", "[type=radio]");
    press("ArrowLeft", "ArrowLeft", "[type=checkbox]");
    press(" ", "Space", "[type=checkbox]");
    press("m", "KeyM", "[type=text]");
    expect(actions.seekBy).not.toHaveBeenCalled();
    expect(actions.toggle).not.toHaveBeenCalled();
    expect(actions.mute).not.toHaveBeenCalled();
  });

  it("go on after a choice was clicked, and Space plays at the console's own", () => {
    press("m", "KeyM", "[type=checkbox]");
    press("o", "KeyO", "[type=radio]");
    press(" ", "Space", "[type=radio]");
    expect(actions.mute).toHaveBeenCalledOnce();
    expect(actions.compare).toHaveBeenCalledOnce();
    expect(actions.toggle).toHaveBeenCalledOnce();
  });

  it("end with the page", async () => {
    await act(async () => root.render(createElement("p")));
    press(" ", "Space");
    expect(actions.toggle).not.toHaveBeenCalled();
  });
});
