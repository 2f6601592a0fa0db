import { Problem } from "./problem";

/** Keys of what is to be ordered once (`Idempotency-Key`). */
export class OrderKeys {
  readonly #open = new Map<string, string>();

  /**
   * Orders under a key of its own, which the same order keeps until it has been answered: one that was answered by nobody
   * is not paid twice, and one that was answered can be ordered anew.
   */
  async order<T>(wanted: string, call: (key: string) => Promise<T>): Promise<T> {
    const key = this.#open.get(wanted) ?? crypto.randomUUID();
    this.#open.set(wanted, key);
    try {
      const ordered = await call(key);
      this.#open.delete(wanted);
      return ordered;
    } catch (problem) {
      if (problem instanceof Problem && isAnswer(problem)) this.#open.delete(wanted);
      throw problem;
    }
  }
}

/** Behind 409 the first try may be under way still. */
function isAnswer({ status }: Problem): boolean {
  return status >= 400 && status < 500 && status !== 409;
}

/** Those of this page, for as long as it lives: whoever leaves an order and comes back makes the same one. */
export const orders = new OrderKeys();
