/** The entry of the gateway's bundle, which contains nothing of the node agent. */
import { main } from "./gateway/main.ts";
import { starter } from "./start.ts";

export const start = starter({ gateway: () => main() });
