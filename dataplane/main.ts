import type { MessageSide } from "../threads/channel.ts";
import { startDataWorker } from "./worker.ts";

const { log } = startDataWorker(self as unknown as MessageSide); // a Worker's own global, which TypeScript takes for a window

addEventListener("unhandledrejection", (event) => {
  event.preventDefault(); // one connection's mishap doesn't end the others
  log(`a failure that nobody was waiting for: ${event.reason}`);
});
