const ENDINGS = [
  "wav",
  "mp3",
  "flac",
  "m4a",
  "aac",
  "mp4",
  "mov",
  "ogg",
  "oga",
  "opus",
  "aif",
  "aiff",
  "webm",
  "mka",
  "mkv",
];
const SONG = new RegExp(`\\.(${ENDINGS.join("|")})$`, "i");

const HIDDEN = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

/** What a file dialogue offers first. */
export const SONGS = ["audio/*", ...ENDINGS.map((ending) => `.${ending}`)].join(",");

export interface Chosen {
  readonly songs: readonly File[];
  /** What is no song, or empty. */
  readonly leftOut: readonly File[];
}

/**
 * A folder holds covers and lists as well; a file that was chosen by itself is judged by the platform, unless it is empty.
 * What systems hide in folders is passed over.
 */
export function songsAmong(files: Iterable<File>): Chosen {
  const all = [...files];
  const shown = all.length === 1 ? all : all.filter(({ name }) => !HIDDEN.test(name));
  const isSong = (file: File) => all.length === 1 || SONG.test(file.name) || file.type.startsWith("audio/");
  const songs = shown.filter((file) => file.size > 0 && isSong(file));
  return { songs, leftOut: shown.filter((file) => !songs.includes(file)) };
}

/** The songs of what was dropped, folders with all that is in them. */
export async function dropped(data: DataTransfer): Promise<Chosen> {
  // The list is emptied at the first wait, so all of it is taken before.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return songsAmong(data.files);
  const found = (await Promise.all(entries.map(filesOf))).flat();
  return songsAmong(found);
}

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (isFile(entry)) return [await new Promise<File>((resolve, reject) => entry.file(resolve, reject))];
  if (!isFolder(entry)) return [];
  const reader = entry.createReader();
  const files: File[] = [];
  for (;;) {
    // A hundred at a time, until there are no more.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return files;
    files.push(...(await Promise.all(some.map(filesOf))).flat());
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
