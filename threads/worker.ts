import { type Calls, Channel, type MessageSide } from "./channel.ts";

/** What a worker of the daemon does. */
export type WorkerRole = "data" | "names";

/** The part of a Worker that is used here. */
export interface WorkerThread extends MessageSide {
  onerror: ((event: ErrorEvent) => void) | null;
  terminate(): void;
}

/** A worker that was started, and the channel to it. Disposing of it ends the worker. */
export interface OpenWorker<Ours extends Calls, Theirs extends Calls> extends Disposable {
  readonly channel: Channel<Ours, Theirs>;
  /** Gives the worker up, as when it fails by itself: one that hangs fails no call. */
  fail(error: Error): void;
}

/** Starts a worker with a role. main.ts knows how, for the sources and for the built file. */
export type StartWorker = (role: WorkerRole) => WorkerThread;

/**
 * Starts a worker and opens the channel to it. The daemon can't continue without its workers: `failed` is called once, when one of them
 * fails.
 */
export function openWorker<Ours extends Calls, Theirs extends Calls>(
  start: StartWorker,
  role: WorkerRole,
  answers: Ours,
  failed: (error: Error) => void,
): OpenWorker<Ours, Theirs> {
  const worker = start(role);
  const channel = new Channel<Ours, Theirs>(worker, answers);
  let hasFailed = false;
  const fail = (error: Error) => {
    if (hasFailed) return;
    hasFailed = true;
    channel.close(error);
    failed(error);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new Error(`the ${role} worker failed: ${event.message}`));
  };
  return {
    channel,
    fail,
    [Symbol.dispose]: () => {
      channel.close(new Error("the daemon is ending"));
      worker.terminate();
    },
  };
}
