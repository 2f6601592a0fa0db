import { Problem } from "../api/problem";

/** Of several calls of one person at a time, so many. */
const AT_ONCE = 3;
const MOST_TRIES = 5;

interface Outcome<T> {
  /** What could not be done, and why. */
  failed: { item: T; problem: unknown }[];
}

/**
 * Does something with each of many, a few at a time, and says after each how many are behind it.
 * Where the API asks to wait, it waits; what fails otherwise is passed over. Stops before the next ones once `signal`
 * is aborted.
 */
export async function inTurn<T>(
  items: readonly T[],
  act: (item: T) => Promise<void>,
  { signal, tell, wait = pause }: { signal: AbortSignal; tell: (done: number) => void; wait?: typeof pause },
): Promise<Outcome<T>> {
  const failed: Outcome<T>["failed"] = [];
  let next = 0;
  let done = 0;

  async function once(item: T, tries: number): Promise<void> {
    try {
      await act(item);
    } catch (problem) {
      const seconds = problem instanceof Problem ? problem.retryAfterSeconds : null;
      if (seconds === null || tries >= MOST_TRIES || signal.aborted) {
        failed.push({ item, problem });
        return;
      }
      await wait(1000 * seconds);
      await once(item, tries + 1);
    }
  }

  async function work(): Promise<void> {
    while (next < items.length && !signal.aborted) {
      const item = items[next++] as T;
      await once(item, 1);
      tell(++done);
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { failed };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((go) => setTimeout(go, milliseconds));
}
