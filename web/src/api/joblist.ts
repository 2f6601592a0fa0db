interface Listed {
  id: string;
}

interface Part<T> {
  items: T[];
  next_cursor: string | null;
}

/**
 * A list of jobs, newest first, with a part of it as it is now: what came is in it, what went is not.
 * `after` is the id that the part was asked for after, null for the newest; ids sort by age.
 */
export function merged<T extends Listed>(known: readonly T[], part: Part<T>, after: string | null): T[] {
  const end = part.next_cursor === null ? "" : (part.items.at(-1)?.id ?? "");
  const newer = known.filter(({ id }) => after !== null && id >= after);
  const older = known.filter(({ id }) => id < end);
  return [...newer, ...part.items, ...older];
}
