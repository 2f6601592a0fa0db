/** The arithmetic of a chart whose steps are one unit wide and whose height is one. */

export type Values = readonly (number | null)[];

/** A round number that all values fit under: 1, 2 or 5 times a power of ten. */
export function roundAbove(values: Values): number {
  const most = Math.max(0, ...values.map((value) => value ?? 0));
  if (most === 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([1, 2, 5, 10].find((times) => times * power >= most) ?? 10);
}

/** A line through the middle of each step, as the `d` of a path; broken where nothing is known, a dash where a step stands alone. */
export function line(values: Values, top: number): string {
  const at = (value: number) => round(1 - value / top);
  return values
    .map((value, step) => {
      if (value === null) return "";
      const [before, after] = [values[step - 1] ?? null, values[step + 1] ?? null];
      if (before === null && after === null) return `M${step + 0.2} ${at(value)}H${step + 0.8}`;
      return `${before === null ? "M" : "L"}${step + 0.5} ${at(value)}`;
    })
    .join("");
}

/** Where each part of a stack of bars begins and how high it is, from the bottom up. */
export function stack(parts: readonly Values[], top: number): { y: number; height: number }[][] {
  const reached = parts[0]?.map(() => 0) ?? [];
  return parts.map((values) =>
    values.map((value, step) => {
      const height = (value ?? 0) / top;
      reached[step] = (reached[step] ?? 0) + height;
      return { y: round(1 - (reached[step] ?? 0)), height: round(height) };
    }),
  );
}

/** The sum of each step over all parts. */
export function sums(parts: readonly Values[]): number[] {
  return (parts[0] ?? []).map((_, step) => parts.reduce((sum, values) => sum + (values[step] ?? 0), 0));
}

/** Which of `steps` steps lies at `x` of `width`. */
export function stepAt(x: number, width: number, steps: number): number {
  return Math.min(steps - 1, Math.max(0, Math.floor((x / width) * steps)));
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
