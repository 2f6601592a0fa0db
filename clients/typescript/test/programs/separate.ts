/** Separates a song: node separate.ts SONG OUTPUT ORDER. Prints what came of it; the tests in Python run it. */
import { Client } from "../../src/client.ts";
import { StemwrightError } from "../../src/errors.ts";
import { separate } from "../../src/node.ts";

const [song = "", output = "", order = "{}"] = process.argv.slice(2);
const client = new Client({
  url: process.env.STEMWRIGHT_URL ?? "",
  apiKey: process.env.STEMWRIGHT_API_KEY ?? "",
  patienceSeconds: 60,
});
client.connection.firstPauseSeconds = 0.01;
const stages: string[] = [];
try {
  const { job, files } = await separate(client, song, output, JSON.parse(order), ({ stage }) => {
    if (stages.at(-1) !== stage) stages.push(stage);
  });
  const vocals = await client.download(job, "vocals");
  const events: string[] = [];
  for await (const event of client.jobEvents(job.id)) events.push(event.type);
  const jobs: string[] = [];
  for await (const each of client.jobs()) jobs.push(each.id);
  const { available_credits } = await client.balance();
  const fetched = await client.uploadUrl("https://music.example.com/a.wav");
  const inMemory = vocals.size;
  process.stdout.write(
    JSON.stringify({
      job: job.id,
      files,
      stages,
      inMemory,
      events,
      jobs,
      available_credits,
      fetched: fetched.filename,
    }),
  );
} catch (error) {
  if (!(error instanceof StemwrightError)) throw error;
  process.stdout.write(JSON.stringify({ error: error.code, message: error.message }));
}
