import { useEffect, useRef } from "react";

export interface Actions {
  toggle: () => void;
  seekBy: (seconds: number) => void;
  toStart: () => void;
  toEnd: () => void;
  choose: (index: number) => void;
  mute: () => void;
  solo: () => void;
  compare: () => void;
  regionStart: () => void;
  regionEnd: () => void;
  loop: () => void;
  spectrogram: () => void;
  zoom: (factor: number) => void;
  speedBy: (by: number) => void;
  keyBy: (semitones: number) => void;
  asInTheSong: () => void;
}

const STEP_SECONDS = 5;
const SMALL_STEP_SECONDS = 1;
const SPEED_STEP = 0.05;
const MARKS: Record<string, string> = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: "." };

/** Marks a choice of the console: one that is made already has no use for Space. */
export const SPACE_PLAYS = "data-space-plays";

/** Keys that mean something to what has the focus are left to it. */
function taken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const focus = event.target instanceof HTMLElement ? event.target : null;
  if (focus === null) return false;
  if (focus.closest("textarea, select, [contenteditable], [role=dialog], [role=menu]")) return true;
  const range = focus.matches("input[type=range]");
  const choice = focus.matches("input:is([type=radio], [type=checkbox])");
  if (focus.matches("input") && !range && !choice) return true;
  const arrow = event.key.startsWith("Arrow");
  if (range && (arrow || event.key === "Home" || event.key === "End")) return true;
  if (choice && arrow) return true;
  if (event.key !== " ") return false;
  return focus.matches("button, a, summary") || (choice && focus.closest(`[${SPACE_PLAYS}]`) === null);
}

/** The mixer by keyboard, wherever the focus is. */
export function useShortcuts(actions: Actions): void {
  const present = useRef(actions);
  present.current = actions;
  useEffect(() => {
    function onKeyDown(event: KeyboardEvent) {
      if (taken(event)) return;
      const action = actionOf(event, present.current);
      if (action === undefined) return;
      event.preventDefault();
      action();
    }
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
}

function actionOf(event: KeyboardEvent, actions: Actions): (() => void) | undefined {
  const step = event.shiftKey ? SMALL_STEP_SECONDS : STEP_SECONDS;
  if (/^Digit[1-9]$/.test(event.code)) return () => actions.choose(Number(event.code.slice(5)) - 1);
  // By the key's place where it is a letter or a mark: M is M on a Persian keyboard too.
  const mark = MARKS[event.code];
  switch (event.code.startsWith("Key") ? event.code.slice(3) : (mark ?? event.key)) {
    case " ":
      return actions.toggle;
    case "ArrowLeft":
      return () => actions.seekBy(-step);
    case "ArrowRight":
      return () => actions.seekBy(step);
    case "Home":
      return actions.toStart;
    case "End":
      return actions.toEnd;
    case "M":
      return actions.mute;
    case "S":
      return actions.solo;
    case "O":
      return actions.compare;
    case "G":
      return actions.spectrogram;
    case "L":
      return actions.loop;
    case "D":
      return () => actions.keyBy(-1);
    case "F":
      return () => actions.keyBy(1);
    case "R":
      return actions.asInTheSong;
    case ",":
      return () => actions.speedBy(-SPEED_STEP);
    case ".":
      return () => actions.speedBy(SPEED_STEP);
    case "[":
      return actions.regionStart;
    case "]":
      return actions.regionEnd;
    case "+":
    case "=":
      return () => actions.zoom(2);
    case "-":
      return () => actions.zoom(0.5);
  }
}
