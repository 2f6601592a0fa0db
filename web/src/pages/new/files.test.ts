import { describe, expect, it } from "vitest";
import { songsAmong } from "./files";

const named = (name: string, type = "") => new File(["x"], name, { type });

describe("songsAmong", () => {
  it("leaves out what lies beside songs in a folder", () => {
    const files = [
      named("a.WAV"),
      named("cover.jpg"),
      named("b.opus"),
      named("c", "audio/mpeg"),
      named("list.m3u"),
    ];
    expect(songsAmong(files).map((file) => file.name)).toEqual(["a.WAV", "b.opus", "c"]);
  });

  it("leaves a file that was chosen by itself to the platform's judgement", () => {
    expect(songsAmong([named("cover.jpg")])).toHaveLength(1);
  });
});
