import type { components } from "../../api/schema";

type Job = components["schemas"]["JobAnswer"];
export type Mode = Job["mode"];
export type Tier = Job["tier"];
export type Stem = Job["requested_stems"][number];

export const STEMS: readonly Stem[] = ["vocals", "instrumental"];

/** What is offered of the formats: each once, in its best form, and the two that people ask for by their depth. */
export const FORMATS = {
  flac: { format: "flac", bit_depth: 16 },
  flac24: { format: "flac", bit_depth: 24 },
  wav: { format: "wav", bit_depth: 16 },
  wav24: { format: "wav", bit_depth: 24 },
  wav32: { format: "wav", bit_depth: 32 },
  mp3: { format: "mp3", bitrate_kbps: 320 },
  m4a: { format: "m4a" },
  ogg: { format: "ogg" },
  opus: { format: "opus" },
} as const satisfies Record<string, Job["output"]>;
export type FormatName = keyof typeof FORMATS;

/** How songs are to be separated, all of them alike. */
export interface Wish {
  mode: Mode;
  /** How soon, of whole songs: a preview is for somebody who waits. */
  tier: Tier;
  stems: readonly Stem[];
  format: FormatName;
}
