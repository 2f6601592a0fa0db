import { expect, it } from "vitest";
import { formats } from "../../app/formats";
import { en } from "../../texts/en";
import { fa } from "../../texts/fa";
import { factsOf } from "./Musical";

const UNKNOWN = { key: null, camelot: null, tempo_bpm: null, loudness_lufs: null, peak_dbfs: null };

it("says key, tempo and loudness as a DJ reads them", () => {
  const analysis = {
    key: "F# minor",
    camelot: "11A",
    tempo_bpm: 127.9,
    loudness_lufs: -9.12,
    peak_dbfs: -0.1,
  };
  expect(factsOf(analysis, en.musical, formats("en"))).toEqual([
    ["Key", ["F#", "minor", "·", "11A"]],
    ["Tempo", ["127.9 BPM"]],
    ["Loudness", ["-9.1 LUFS"]],
  ]);
});

it("names the key in the reader's language, each part in its own direction", () => {
  const analysis = { ...UNKNOWN, key: "F# minor", camelot: "11A" };
  expect(factsOf(analysis, fa.musical, formats("fa"))).toEqual([["گام", ["F#", "مینور", "·", "11A"]]]);
});

it("leaves out what could not be told, and all of a job that is not done", () => {
  expect(factsOf({ ...UNKNOWN, tempo_bpm: 90 }, en.musical, formats("en"))).toEqual([["Tempo", ["90 BPM"]]]);
  expect(factsOf(UNKNOWN, en.musical, formats("en"))).toEqual([]);
  expect(factsOf(null, en.musical, formats("en"))).toEqual([]);
});
