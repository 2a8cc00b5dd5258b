import { list, type Schema } from "../wire/schema.ts";
import { Failure } from "./failure.ts";

/** Which entries are kept, and where. */
export interface SavedEntriesOptions<T> {
  /** A file of the state folder. */
  readonly path: string;
  /** What they are, for errors: "domains". */
  readonly what: string;
  readonly schema: Schema<T>;
  /** Entries at most. */
  readonly most: number;
  readonly keyOf: (entry: T) => string;
  /** How to make room, at the limit. */
  readonly hint: string;
}

/** Entries of the user's own, by a key, in a file: they stay after `pmz down`. */
export class SavedEntries<T> {
  readonly #options: SavedEntriesOptions<T>;
  readonly #entries: Map<string, T>;
  /** One change after the other: each writes the whole file. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: SavedEntriesOptions<T>, entries: readonly T[]) {
    this.#options = options;
    this.#entries = new Map(entries.map((entry) => [options.keyOf(entry), entry]));
  }

  /** @throws {Failure} when the file is not valid; it is not overwritten. */
  static async open<T>(options: SavedEntriesOptions<T>): Promise<SavedEntries<T>> {
    const { path, what, schema, most } = options;
    try {
      const saved: unknown = JSON.parse(await Deno.readTextFile(path));
      return new SavedEntries(options, list(schema, most).parse(saved, what));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new SavedEntries(options, []);
      const why = error instanceof Error ? error.message : String(error);
      throw new Failure("usage", `your ${what} in ${path} can't be read: ${why}`, {
        hint: "correct the file, or move it away",
        cause: error,
      });
    }
  }

  all(): T[] {
    return [...this.#entries.values()];
  }

  /** Adds or replaces. @throws {Failure} at the limit, or when the file can't be written; then nothing has changed. */
  add(entry: T): Promise<void> {
    return this.#inTurn(async () => {
      const { keyOf, most, what, hint } = this.#options;
      const key = keyOf(entry);
      if (!this.#entries.has(key) && this.#entries.size >= most) {
        throw new Failure("usage", `there are ${most} ${what} of yours already, which is the limit`, {
          hint,
        });
      }
      await this.#change((entries) => entries.set(key, entry));
    });
  }

  /** The entry as it was; undefined where there was none. @throws {Failure} when the file can't be written */
  remove(key: string): Promise<T | undefined> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(key);
      if (entry !== undefined) await this.#change((entries) => entries.delete(key));
      return entry;
    });
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #change(change: (entries: Map<string, T>) => void): Promise<void> {
    const { path, what } = this.#options;
    const next = new Map(this.#entries);
    change(next);
    const draft = `${path}.new`;
    try {
      await Deno.writeTextFile(draft, `${JSON.stringify([...next.values()], null, 2)}\n`, { mode: 0o600 });
      await Deno.rename(draft, path);
    } catch (error) {
      throw new Failure("internal", `your ${what} can't be saved in ${path}`, {
        hint: "is the disk full?",
        cause: error,
      });
    }
    change(this.#entries);
  }
}
