/** The mix as the server makes it, while it is downloaded. */

import type { operations } from "../../../api/schema";
import { gainsOf, type Levels, SILENT_DB } from "../../../mixer/desk";

type Faders = Required<NonNullable<operations["getMix"]["parameters"]["query"]>>;

/** Beyond it nobody should have to keep a page open: made here, ten minutes are 160 MB and half a minute on a slow machine. */
export const LONG_SECONDS = 600;

/** Where the mix is downloaded; `source` is the path of the job. A stem that is not here is silent. */
export function mixAddress(source: string, { strips, masterDb }: Levels): string {
  const gains = gainsOf(strips);
  const gainDb = (stem: string) => (gains.get(stem) ? (strips.get(stem)?.gainDb ?? SILENT_DB) : SILENT_DB);
  const pan = (stem: string) => strips.get(stem)?.pan ?? 0;
  const faders: Faders = {
    vocals_gain_db: gainDb("vocals"),
    vocals_pan: pan("vocals"),
    instrumental_gain_db: gainDb("instrumental"),
    instrumental_pan: pan("instrumental"),
    master_gain_db: Math.max(SILENT_DB, masterDb),
  };
  const query = new URLSearchParams(Object.entries(faders).map(([name, value]) => [name, String(value)]));
  return `${source}/mix?${query}`;
}
