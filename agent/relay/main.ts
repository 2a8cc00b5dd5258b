import { HANDOVER_SOCKET } from "../../wire/handover.ts";
import { ports } from "../../wire/places.ts";
import { asNodeProcess, givenId } from "../node_process.ts";
import { runRelay } from "./relay.ts";

/** What the pod spec may give relay, in its environment. */
export const environment = {
  /** The user that attach runs as; 0 without it. */
  attachUid: "PMZ_ATTACH_UID",
  /** The socket that attach listens on, if not wire/handover.ts's. */
  handover: "PMZ_HANDOVER",
} as const;

/** Relay as a container's process: until SIGTERM. */
export async function main(): Promise<void> {
  await asNodeProcess("relay", ({ log, signal }) =>
    runRelay({
      handoverPath: Deno.env.get(environment.handover) ?? HANDOVER_SOCKET,
      attachUid: givenId(environment.attachUid, 0),
      listenPort: ports.relay,
      log,
      signal,
    }));
}
