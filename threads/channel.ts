/**
 * Calls between the daemon's main thread and its workers (RPC). Each side answers by a table of functions, and the other side calls them by
 * name and gets a promise. File descriptors are passed as numbers, since both sides are threads of one process.
 */

/** A Worker, or the worker's own global, as far as messages pass through it. */
export interface MessageSide {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

// deno-lint-ignore no-explicit-any -- calls of any shape meet here; `Calls` keeps both ends typed
export type Calls = Record<string, (argument: any) => unknown>;

type Message =
  | { readonly id: number; readonly call: string; readonly argument: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** A call failed on the other side. */
export class RemoteError extends Error {
  override name = "RemoteError";
  /** The `name` of the error on the other side, whose class isn't known here. */
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** One end of a channel: it answers `Ours` and calls `Theirs`. */
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

  /** Calls a function of the other side. @throws {RemoteError} when it throws there */
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

  /** Fails all calls that wait, and all later ones with `reason`: the other side has ended. */
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
