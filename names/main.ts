import type { MessageSide } from "../threads/channel.ts";
import { startNamesWorker } from "./worker.ts";

const { log } = startNamesWorker(self as unknown as MessageSide); // a Worker's own global, which TypeScript takes for a window

addEventListener("unhandledrejection", (event) => {
  event.preventDefault(); // a failed query must not end the others
  log(`unhandled rejection: ${event.reason}`);
});
