import type { MessageSide } from "../threads/channel.ts";
import { startNamesWorker } from "./worker.ts";

startNamesWorker(self as unknown as MessageSide); // a Worker's own global, which TypeScript takes for a window
