/** Which files are songs, and where the stems of each go. For Node.js. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, sep } from "node:path";

export const RECORD = "separation.json";

/** By these a file of a folder is taken for a song; the platform looks at what is in it. */
const SUFFIXES = new Set([
  ...[".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp3", ".mp4"],
  ...[".oga", ".ogg", ".opus", ".wav", ".webm"],
]);

export interface Place {
  song: string;
  /** For its stems. */
  folder: string;
}

/**
 * Each song with a folder of its own: `output/<where it lay>/<its name without the suffix>`, numbered where that is
 * another's. Whose a folder is stands in its record, so that songs that come later do not change the folders of others.
 */
export async function placesOf(named: readonly string[], output: string): Promise<Place[]> {
  const beneath = new Map<string, string>();
  for (const path of named) {
    if ((await stat(path)).isDirectory()) {
      for (const song of await songsIn(path)) beneath.set(song, relative(path, dirname(song)));
    } else {
      beneath.set(path, "");
    }
  }
  const taken = new Set<string>();
  const places: Place[] = [];
  for (const [song, where] of [...beneath].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const stem = basename(song, extname(song));
    let folder = join(output, where, stem);
    for (let number = 2; taken.has(folder) || !(await isFreeFor(song, folder)); number++) {
      folder = join(output, where, `${stem} (${number})`);
    }
    taken.add(folder);
    places.push({ song, folder });
  }
  return places;
}

/** Without hidden files, and without stems that the client has written there. */
async function songsIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const written = new Set(found.filter((entry) => entry.name === RECORD).map((entry) => entry.parentPath));
  return found
    .filter((entry) => entry.isFile() && SUFFIXES.has(extname(entry.name).toLowerCase()))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !written.has(dirname(path)) && !isHidden(relative(folder, path)));
}

function isHidden(path: string): boolean {
  return path.split(sep).some((part) => part.startsWith("."));
}

async function isFreeFor(song: string, folder: string): Promise<boolean> {
  try {
    const known: { song?: string } = JSON.parse(await readFile(join(folder, RECORD), "utf-8"));
    return known.song === basename(song);
  } catch {
    return true; // no record, or none that can be read
  }
}
