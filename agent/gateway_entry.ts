/** The entry of the gateway's bundle: nothing of the node agent is in it. */
import { main } from "./gateway/main.ts";
import { starter } from "./start.ts";

export const start = starter({ gateway: () => main() });
