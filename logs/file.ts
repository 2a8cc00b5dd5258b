import { sleep } from "../async/sleep.ts";

/** How often a file is looked at for more, in milliseconds. */
const LOOK_MS = 250;
/** Bytes that are read at a time. */
const CHUNK = 256 * 1024;
/** Characters of a line that has no end yet; beyond, its beginning is dropped. */
const LONGEST_LINE = 1 << 20;

/** Lines of a log that starts over at times: the file before stays as `.1`, and a new one takes its name. */
export class LogFile implements Disposable {
  readonly #path: string;
  #current: OpenFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The lines that are there now, of both files; none where there is no log. @throws where they can't be read */
  *now(): Generator<string> {
    using before = OpenFile.open(`${this.#path}.1`);
    this.#current = OpenFile.open(this.#path);
    if (before) yield* before.lines();
    if (this.#current) yield* this.#current.lines();
  }

  /** The lines that come after {@linkcode now}, until the signal aborts. */
  async *following(signal: AbortSignal): AsyncGenerator<string> {
    while (!signal.aborted) {
      if (this.#current) yield* this.#current.lines();
      const named = inode(this.#path);
      if (named !== undefined && named !== this.#current?.inode) {
        if (this.#current) yield* this.#current.lines(); // what was written just before the log started over
        this.#current?.[Symbol.dispose]();
        this.#current = OpenFile.open(this.#path);
        continue;
      }
      await sleep(LOOK_MS, signal).catch(() => {}); // the signal ends the loop
    }
  }

  [Symbol.dispose](): void {
    this.#current?.[Symbol.dispose]();
    this.#current = undefined;
  }
}

/** A file that grows: its lines as they become whole. */
class OpenFile implements Disposable {
  readonly inode: number | null;
  readonly #file: Deno.FsFile;
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end isn't written yet. */
  #begun = "";

  private constructor(file: Deno.FsFile) {
    this.#file = file;
    this.inode = file.statSync().ino;
  }

  /** @returns undefined where there is no such file */
  static open(path: string): OpenFile | undefined {
    try {
      return new OpenFile(Deno.openSync(path, { read: true }));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  /** The lines up to the file's present end. */
  *lines(): Generator<string> {
    const bytes = new Uint8Array(CHUNK);
    for (let read; (read = this.#file.readSync(bytes)) !== null && read > 0;) {
      const text = this.#begun + this.#decoder.decode(bytes.subarray(0, read), { stream: true });
      const lines = text.split("\n");
      this.#begun = (lines.pop() ?? "").slice(-LONGEST_LINE);
      yield* lines;
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function inode(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch {
    return undefined; // it starts over just now
  }
}
