/** Whole programs that work as they are pasted: a song in, its vocals out. `api` is this platform's own address. */
export interface Example {
  name: string;
  /** How its file is started, where it is one. */
  start: string | null;
  text: string;
}

/** The environment variable that every example takes the key from. */
export const KEY = "STEMWRIGHT_API_KEY";

export function examples(api: string): readonly Example[] {
  return [
    { name: "curl", start: null, text: curl(api) },
    { name: "Python", start: "python3 separate.py song.mp3", text: python(api) },
    { name: "JavaScript", start: "node separate.mjs song.mp3", text: javascript(api) },
  ];
}

function curl(api: string): string {
  return `api=${api}/v1
auth="Authorization: Bearer $${KEY}"
json='Content-Type: application/json'
id() { grep -o '"id":"[^"]*"' | head -n 1 | cut -d '"' -f 4; }

size=$(($(wc -c < song.mp3)))
upload=$(curl -sS $api/uploads -H "$auth" -H "$json" -d "{\\"filename\\": \\"song.mp3\\", \\"size_bytes\\": $size}" | id)
curl -sS -T song.mp3 $api/uploads/$upload/content -H "$auth" > /dev/null

job=$(curl -sS $api/jobs -H "$auth" -H "$json" -d "{\\"upload_id\\": \\"$upload\\", \\"mode\\": \\"preview\\"}" | id)
curl -sSN $api/jobs/$job/events -H "$auth"
curl -sSL $api/jobs/$job/stems/vocals -H "$auth" -o vocals.flac
`;
}

function python(api: string): string {
  return `import json, os, sys, time, urllib.request
from pathlib import Path

API = "${api}/v1"
AUTH = {"Authorization": "Bearer " + os.environ["${KEY}"]}


def call(method, path, body=None, content=None, **headers):
    data = content if body is None else json.dumps(body).encode()
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(API + path, data, {**AUTH, **headers}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


song = Path(sys.argv[1])
upload = call("POST", "/uploads", {"filename": song.name, "size_bytes": song.stat().st_size})
call("PUT", f"/uploads/{upload['id']}/content", content=song.read_bytes())

job = call("POST", "/jobs", {"upload_id": upload["id"], "mode": "preview"})
while job["status"] not in ("succeeded", "failed", "canceled", "rejected"):
    time.sleep(1)
    job = call("GET", f"/jobs/{job['id']}")
if job["status"] != "succeeded":
    sys.exit(job["error"]["message"])

for stem in job["stems"]:
    link = call("GET", f"/jobs/{job['id']}/stems/{stem['name']}", Accept="application/json")
    urllib.request.urlretrieve(link["url"], f"{stem['name']}.{stem['format']}")
    print(f"{stem['name']}.{stem['format']}")
`;
}

function javascript(api: string): string {
  return `import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const API = "${api}/v1";
const AUTH = { Authorization: \`Bearer \${process.env.${KEY}}\` };

async function call(method, path, { json, body, ...headers } = {}) {
  const answer = await fetch(API + path, {
    method,
    headers: { ...AUTH, ...(json && { "Content-Type": "application/json" }), ...headers },
    body: json ? JSON.stringify(json) : body,
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

const song = await openAsBlob(process.argv[2]);
const upload = await call("POST", "/uploads", {
  json: { filename: basename(process.argv[2]), size_bytes: song.size },
});
await call("PUT", \`/uploads/\${upload.id}/content\`, { body: song });

let job = await call("POST", "/jobs", { json: { upload_id: upload.id, mode: "preview" } });
while (!["succeeded", "failed", "canceled", "rejected"].includes(job.status)) {
  await pause(1000);
  job = await call("GET", \`/jobs/\${job.id}\`);
}
if (job.status !== "succeeded") throw new Error(job.error.message);

for (const { name, format } of job.stems) {
  const { url } = await call("GET", \`/jobs/\${job.id}/stems/\${name}\`, { Accept: "application/json" });
  const stem = await fetch(url);
  await writeFile(\`\${name}.\${format}\`, Buffer.from(await stem.arrayBuffer()));
  console.log(\`\${name}.\${format}\`);
}
`;
}
