import { describe, expect, it } from "vitest";
import type { Job } from "../../api/separation";
import { formats } from "../../app/formats";
import { en } from "../../texts/en";
import { proofOf } from "./Proof";

const words = en.results;

function said(output: object, quality: object | null): string[] {
  return proofOf({ output, quality } as unknown as Job, words, formats("en"));
}

describe("the proof", () => {
  it("says that the sum is exact where that was measured in the files", () => {
    const quality = { sum_is_exact: true, null_residual_dbfs: null, null_measured: "in_files" };
    expect(said({ format: "flac" }, quality)).toEqual([words.exact, words.caveat]);
  });

  it("says how close the sum comes where it is not exact", () => {
    const quality = { sum_is_exact: false, null_residual_dbfs: -98.6, null_measured: "in_files" };
    expect(said({ format: "wav" }, quality)).toEqual([words.within("99"), words.caveat]);
  });

  it("claims nothing of lossy copies, and says what held before they were encoded", () => {
    const quality = { sum_is_exact: false, null_residual_dbfs: -140.2, null_measured: "before_encoding" };
    expect(said({ format: "mp3" }, quality)).toEqual([words.lossy("MP3"), words.beforeEncoding("140")]);
  });

  it("claims no sum where stems are missing, and nothing at all where nothing was measured", () => {
    const quality = { sum_is_exact: null, null_residual_dbfs: null, null_measured: null };
    expect(said({ format: "flac" }, quality)).toEqual([words.partly]);
    expect(said({ format: "flac" }, null)).toEqual([]);
  });
});
