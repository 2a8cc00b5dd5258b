import { environment } from "../../wire/agent_environment.ts";
import { HANDOVER_SOCKET } from "../../wire/handover.ts";
import { ports } from "../../wire/places.ts";
import { runProcess, userId } from "../process.ts";
import { runRelay } from "./relay.ts";

/** relay as a container's process. */
export async function main(): Promise<void> {
  await runProcess("relay", ({ log, signal, ready }) => {
    ready();
    return runRelay({
      handoverPath: Deno.env.get(environment.handover) ?? HANDOVER_SOCKET,
      attachUid: userId(environment.attachUid, 0),
      ports: { tunnel: ports.relay, lanes: ports.relayLanes },
      log,
      signal,
    });
  });
}
