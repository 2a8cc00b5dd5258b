/**
 * Calls between the daemon's main thread and its workers. Each side says what it answers, as a table of functions;
 * the other side calls them by name and gets a promise. Descriptors travel as numbers: it's one process.
 */

/** The side of a Worker, or of the worker's own global, that messages go through. */
export interface MessageSide {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

// deno-lint-ignore no-explicit-any -- the one place where calls of any shape meet; `Calls` keeps both ends typed
export type Calls = Record<string, (argument: any) => unknown>;

type Message =
  | { readonly id: number; readonly call: string; readonly argument: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** What a call failed with on the other side. */
export class RemoteError extends Error {
  override name = "RemoteError";
  /** The `name` of the error on the other side: its class is not known here. */
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** One end of a channel: answers `Ours`, calls `Theirs`. */
export class Channel<Ours extends Calls, Theirs extends Calls> {
  readonly #side: MessageSide;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 0;
  #closed: Error | undefined;

  constructor(side: MessageSide, answers: Ours) {
    this.#side = side;
    side.onmessage = (event: MessageEvent<Message>) => {
      const message = event.data;
      if ("call" in message) {
        this.#answer(message.id, answers[message.call], message.argument);
      } else {
        const waiting = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if ("error" in message) waiting?.reject(new RemoteError(message.error.name, message.error.message));
        else waiting?.resolve(message.result);
      }
    };
  }

  /** Calls a function of the other side. @throws {RemoteError} what it threw there. */
  call<Name extends keyof Theirs & string>(
    name: Name,
    argument: Parameters<Theirs[Name]>[0],
  ): Promise<Awaited<ReturnType<Theirs[Name]>>> {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#side.postMessage({ id, call: name, argument } satisfies Message);
    return waiting.promise as Promise<Awaited<ReturnType<Theirs[Name]>>>;
  }

  /** Fails all calls that wait, and all to come: the other side is gone. */
  close(reason: Error): void {
    this.#closed = reason;
    for (const waiting of this.#waiting.values()) waiting.reject(reason);
    this.#waiting.clear();
  }

  async #answer(id: number, call: ((argument: unknown) => unknown) | undefined, argument: unknown) {
    try {
      if (!call) throw new TypeError("no such call");
      this.#side.postMessage({ id, result: await call(argument) } satisfies Message);
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      this.#side.postMessage({ id, error: { name, message } } satisfies Message);
    }
  }
}
