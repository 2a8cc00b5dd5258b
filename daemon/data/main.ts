import { startDataWorker } from "./worker.ts";
import type { MessageSide } from "../worker_channel.ts";

startDataWorker(self as unknown as MessageSide); // a Worker's own global, which TypeScript takes for a window
