/** The part of the song that is drawn, in seconds. */

export interface View {
  readonly start: number;
  readonly end: number;
}

/** A hundredth of a second over the width of a screen: single samples can be seen. */
const NARROWEST_SECONDS = 0.01;

export function whole(duration: number): View {
  return { start: 0, end: duration };
}

/** `factor` above 1 draws nearer; what lies at `anchor` stays where it is. */
export function zoomed(view: View, factor: number, anchor: number, duration: number): View {
  const span = Math.min(duration, Math.max(NARROWEST_SECONDS, (view.end - view.start) / factor));
  const part = (anchor - view.start) / (view.end - view.start);
  return within(anchor - part * span, span, duration);
}

export function moved(view: View, seconds: number, duration: number): View {
  return within(view.start + seconds, view.end - view.start, duration);
}

/** The same view where the position is in it, else the page that begins a little before the position. */
export function following(view: View, position: number, duration: number): View {
  if (position >= view.start && position <= view.end) return view;
  const span = view.end - view.start;
  return within(position - span / 10, span, duration);
}

function within(start: number, span: number, duration: number): View {
  const first = Math.min(Math.max(0, start), duration - span);
  return { start: first, end: first + span };
}

/** Distance of the marks of a ruler, so that one needs about `pixels` for itself. */
export function markSeconds(view: View, width: number, pixels: number): number {
  const least = ((view.end - view.start) / Math.max(1, width)) * pixels;
  return MARKS.find((mark) => mark >= least) ?? 3600;
}

const MARKS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800,
];
