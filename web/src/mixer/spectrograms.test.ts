import { expect, it } from "vitest";
import { FakeAudio, FakeServer, SEGMENT } from "./fakes";
import { Spectrograms } from "./spectrograms";

function stage() {
  const server = new FakeServer(600);
  let making = 0;
  const spectrograms = new Spectrograms(
    {
      fetch: server.fetch,
      decode: async () => new FakeAudio("vocals", 0, SEGMENT) as unknown as AudioBuffer,
    },
    () => {},
    () => ({
      make: async () => {
        expect(++making).toBe(1);
        await Promise.resolve();
        making--;
        return { columns: 1, levels: new Uint8Array(1) };
      },
      close: () => {},
    }),
  );
  const settled = () => new Promise((resolve) => setTimeout(resolve));
  return { server, spectrograms, settled };
}

it("makes what is in view, one after the other, once", async () => {
  const { server, spectrograms, settled } = stage();
  spectrograms.want(["vocals", "drums"], 2, 3);
  await settled();
  expect(server.asked).toEqual(["vocals/2", "drums/2", "vocals/3", "drums/3"]);
  spectrograms.want(["vocals", "drums"], 3, 3);
  await settled();
  expect(server.asked).toHaveLength(4);
  expect(spectrograms.get("drums", 3)).toBeDefined();
  expect(spectrograms.get("drums", 4)).toBeUndefined();
});

it("leaves what has gone out of view, and keeps a bounded number", async () => {
  const { server, spectrograms, settled } = stage();
  server.hold();
  spectrograms.want(["vocals"], 0, 9);
  spectrograms.want(["vocals"], 50, 50);
  server.release();
  await settled();
  expect(server.asked).toEqual(["vocals/0", "vocals/50"]);
  for (let first = 0; first < 99; first += 9) {
    spectrograms.want(["vocals", "drums"], first, first + 8);
    await settled();
  }
  expect(spectrograms.get("vocals", 0)).toBeUndefined();
  expect(spectrograms.get("vocals", 98)).toBeDefined();
});

it("tries again what could not be had once the view moves", async () => {
  const { server, spectrograms, settled } = stage();
  server.failing = true;
  spectrograms.want(["vocals"], 1, 1);
  await settled();
  expect(server.asked).toHaveLength(1);
  server.failing = false;
  spectrograms.want(["vocals"], 1, 1);
  await settled();
  expect(spectrograms.get("vocals", 1)).toBeDefined();
});
