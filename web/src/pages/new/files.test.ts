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
    const { songs, leftOut } = songsAmong(files);
    expect(songs.map((file) => file.name)).toEqual(["a.WAV", "b.opus", "c"]);
    expect(leftOut.map((file) => file.name)).toEqual(["cover.jpg", "list.m3u"]);
  });

  it("leaves a file that was chosen by itself to the platform's judgement", () => {
    expect(songsAmong([named("cover.jpg")])).toMatchObject({ songs: [{ name: "cover.jpg" }], leftOut: [] });
  });

  it("leaves out what is empty, also by itself", () => {
    const empty = new File([], "a.wav");
    expect(songsAmong([empty])).toEqual({ songs: [], leftOut: [empty] });
    expect(songsAmong([empty, named("b.wav")]).leftOut).toEqual([empty]);
  });

  it("passes over what systems hide in folders", () => {
    expect(songsAmong([named("a.wav"), named(".DS_Store"), named("Thumbs.db")]).leftOut).toEqual([]);
  });
});
