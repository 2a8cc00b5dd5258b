import { shared } from "./shared.ts";

self.addEventListener("message", (event) => {
  if (event instanceof MessageEvent) {
    // @ts-expect-error the types here are a window's, not a worker's
    self.postMessage(`${event.data}, ${shared()}`);
  }
});
