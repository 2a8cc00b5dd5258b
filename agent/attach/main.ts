import { Api } from "../../kube/client/api.ts";
import { inClusterAccess } from "../../kube/config/in_cluster.ts";
import { HANDOVER_SOCKET } from "../../wire/handover.ts";
import { RELEASE } from "../../wire/version.ts";
import { asNodeProcess, given, givenId } from "../node_process.ts";
import { type AttachOptions, runAttach } from "./attach.ts";
import { ApiView } from "./view.ts";

/** What the pod spec gives attach, in its environment. */
export const environment = {
  /** spec.nodeName */
  node: "NODE_NAME",
  /** metadata.uid */
  podUid: "POD_UID",
  /** Where the node's /proc is mounted; /host/proc without it. */
  hostProc: "PMZ_HOST_PROC",
  /** The user that relay runs as; 1993 (the stock image's) without it. */
  relayUid: "PMZ_RELAY_UID",
} as const;

/** Attach as a container's process: until SIGTERM. */
export async function main(assets: AttachOptions["assets"]): Promise<void> {
  await asNodeProcess("attach", async ({ log, signal }) => {
    const access = await inClusterAccess();
    const node = given(environment.node);
    using api = new Api(access, { userAgent: `pmz-attach/${RELEASE}` });
    await using view = new ApiView(api, node, log);
    await runAttach({
      view,
      assets,
      introduction: { cluster: access.caHash, pod: given(environment.podUid), node },
      hostProc: Deno.env.get(environment.hostProc) ?? "/host/proc",
      handoverPath: HANDOVER_SOCKET,
      relayUid: givenId(environment.relayUid, 1993),
      log,
      signal,
    });
  });
}
