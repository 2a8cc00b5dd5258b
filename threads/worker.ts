import { type Calls, Channel, type MessageSide } from "./channel.ts";

/** The daemon's workers by name. */
export type WorkerRole = "data" | "names";

/** A Worker, as far as it's used. */
export interface WorkerThread extends MessageSide {
  onerror: ((event: ErrorEvent) => void) | null;
  terminate(): void;
}

/** Starts a worker that takes up a role: main.ts knows how, from source and from the built file. */
export type StartWorker = (role: WorkerRole) => WorkerThread;

/**
 * A worker and the channel to it. A worker that dies takes the daemon's reason to live with it: `failed` is called,
 * once.
 */
export function openWorker<Ours extends Calls, Theirs extends Calls>(
  start: StartWorker,
  role: WorkerRole,
  answers: Ours,
  failed: (error: Error) => void,
): Disposable & { channel: Channel<Ours, Theirs> } {
  const worker = start(role);
  const channel = new Channel<Ours, Theirs>(worker, answers);
  worker.onerror = (event) => {
    event.preventDefault();
    const error = new Error(`the ${role} worker failed: ${event.message}`);
    channel.close(error);
    failed(error);
  };
  return {
    channel,
    [Symbol.dispose]: () => {
      channel.close(new Error("the daemon is ending"));
      worker.terminate();
    },
  };
}
