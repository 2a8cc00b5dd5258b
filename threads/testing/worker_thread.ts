import type { WorkerThread } from "../worker.ts";

/** A worker that is no thread: its end of the channel is in this one. */
export function threadOf({ port1, port2 }: MessageChannel): WorkerThread {
  return {
    postMessage: (message) => port1.postMessage(message),
    get onmessage() {
      return port1.onmessage;
    },
    set onmessage(listener) {
      port1.onmessage = listener;
    },
    onerror: null,
    terminate() {
      port1.close();
      port2.close();
    },
  };
}
