import classes from "./landing.module.css";

const [WIDTH, HEIGHT, BARS] = [600, 360, 46];
const [BEGINS, ENDS] = [0.3, 0.62];
const REACH = 88;

/** How loud voice and band are at a place of a song that nobody has written, from 0 to 1. */
function loudness(at: number): [voice: number, band: number] {
  const phrase = Math.max(0, Math.sin(at * 15.1 + 0.6)) ** 0.7;
  const voice = 0.12 + 0.88 * phrase * (0.65 + 0.35 * Math.sin(at * 61));
  const beat = Math.abs(Math.sin(at * 37.5)) ** 3;
  return [voice, 0.35 + 0.65 * beat * (0.75 + 0.25 * Math.cos(at * 90))];
}

function apart(at: number): number {
  const part = Math.min(1, Math.max(0, (at - BEGINS) / (ENDS - BEGINS)));
  return part * part * (3 - 2 * part);
}

/** A drawing: the wave of a song parts into its two stems, whose heights sum to it. */
export function Parting() {
  const bars = Array.from({ length: BARS }, (_, index) => {
    const at = index / (BARS - 1);
    const [voice, band] = loudness(at).map((level) => 8 + level * 44) as [number, number];
    const [x, middle, shift] = [8 + at * (WIDTH - 16), HEIGHT / 2, apart(at)];
    const line = (y: number, height: number) =>
      `M${x.toFixed(1)} ${(y - height / 2).toFixed(1)}v${height.toFixed(1)}`;
    if (shift === 0) return <path key={x} d={line(middle, voice + band)} className={classes.mixture} />;
    return (
      <g key={x}>
        <path
          d={line(middle - band / 2 - shift * REACH + (shift * band) / 2, voice)}
          className={classes.vocals}
        />
        <path
          d={line(middle + voice / 2 + shift * REACH - (shift * voice) / 2, band)}
          className={classes.instrumental}
        />
      </g>
    );
  });
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className={classes.parting} aria-hidden="true">
      {bars}
    </svg>
  );
}
