import { encode } from "uqr";

const MARGIN = 2;

/** A QR code, dark on white in both themes, as cameras want it. */
export function QrCode({ text, name }: { text: string; name: string }) {
  const { data, size } = encode(text, { border: 0 });
  const dark = data.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x} ${y}h1v1h-1z`] : []))).join("");
  const side = size + 2 * MARGIN;
  return (
    <svg
      viewBox={`${-MARGIN} ${-MARGIN} ${side} ${side}`}
      width="208"
      height="208"
      role="img"
      aria-label={name}
      shapeRendering="crispEdges"
      style={{ borderRadius: "10px", background: "#fff" }}
    >
      <path d={dark} fill="#000" />
    </svg>
  );
}
