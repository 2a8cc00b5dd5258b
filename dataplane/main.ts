import type { MessageSide } from "../threads/channel.ts";
import { startDataWorker } from "./worker.ts";

const { log } = startDataWorker(self as unknown as MessageSide); // a Worker's own global, which TypeScript takes for a window

addEventListener("unhandledrejection", (event) => {
  event.preventDefault(); // a failed connection must not end the others
  log(`unhandled rejection: ${event.reason}`);
});
