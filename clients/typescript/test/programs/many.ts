/** Separates files and folders: node many.ts OUTPUT PARALLEL PATH... Prints what came of each. */
import { Client } from "../../src/client.ts";
import { StemwrightError } from "../../src/errors.ts";
import { separateMany } from "../../src/node.ts";

const [output = "", parallel = "4", ...paths] = process.argv.slice(2);
const client = new Client({
  url: process.env.STEMWRIGHT_URL ?? "",
  apiKey: process.env.STEMWRIGHT_API_KEY ?? "",
  patienceSeconds: 60,
});
client.connection.firstPauseSeconds = 0.01;
const stages = new Set<string>();
const done: string[] = [];
try {
  const outcomes = await separateMany(client, paths, output, {
    // The double takes orders whose every field is told.
    order: { mode: "full", tier: "fast", stems: ["vocals", "instrumental"] },
    parallel: Number(parallel),
    onProgress: (_song, { stage }) => stages.add(stage),
    onOutcome: ({ song }) => done.push(song),
  });
  const told = outcomes.map(({ song, separation, error }) => ({
    song,
    folder: separation?.folder,
    error: error instanceof StemwrightError ? error.code : error && String(error),
  }));
  process.stdout.write(JSON.stringify({ outcomes: told, stages: [...stages], done }));
} catch (error) {
  process.stdout.write(
    JSON.stringify({ ended: error instanceof StemwrightError ? error.code : String(error) }),
  );
}
