import { type Dispatch, type SetStateAction, useCallback, useRef } from "react";
import { moved, type View } from "../../../mixer/view";

/** The wheel over a waveform: with Ctrl (or two fingers apart on a pad) nearer and farther, sideways along the song. */
export function useWheel(
  view: View,
  duration: number,
  zoom: (factor: number, anchor: number) => void,
  setView: Dispatch<SetStateAction<View>>,
) {
  const present = useRef({ view, duration, zoom, setView });
  present.current = { view, duration, zoom, setView };
  return useCallback((element: HTMLElement | null) => {
    if (element === null) return;
    function onWheel(event: WheelEvent) {
      const { view, duration, zoom, setView } = present.current;
      const lane = (event.target as HTMLElement).closest("[data-heard]")?.getBoundingClientRect();
      if (lane === undefined) return;
      const span = view.end - view.start;
      if (event.ctrlKey) {
        event.preventDefault();
        zoom(2 ** (-event.deltaY / 100), view.start + ((event.clientX - lane.left) / lane.width) * span);
      } else if (event.deltaX !== 0) {
        event.preventDefault();
        setView((now) => moved(now, (event.deltaX / lane.width) * span, duration));
      }
    }
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, []);
}
