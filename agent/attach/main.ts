import { Api } from "../../kube/client/api.ts";
import { inClusterAccess } from "../../kube/config/in_cluster.ts";
import { environment } from "../../wire/agent_environment.ts";
import { HANDOVER_SOCKET } from "../../wire/handover.ts";
import { RELEASE } from "../../wire/version.ts";
import { requiredVariable, runProcess, userId } from "../process.ts";
import { type AttachOptions, runAttach } from "./attach.ts";
import { clusterUid } from "./cluster_uid.ts";
import { ApiView } from "./view.ts";

/** The unprivileged user of the stock image. */
const IMAGE_USER = 1993;

/** attach as a container's process. */
export async function main(assets: AttachOptions["assets"]): Promise<void> {
  await runProcess("attach", async ({ log, signal, ready }) => {
    ready();
    const access = await inClusterAccess();
    const node = requiredVariable(environment.node);
    using api = new Api(access, { userAgent: `pmz-attach/${RELEASE}` });
    const uid = await clusterUid(api, log, signal);
    if (uid === undefined) return;
    const pod = requiredVariable(environment.podUid);
    await using view = new ApiView(api, node, log);
    await runAttach({
      view,
      assets,
      introduction: { clusterUid: uid, caHash: access.caHash, pod, node },
      hostProc: Deno.env.get(environment.hostProc) ?? "/host/proc",
      handoverPath: HANDOVER_SOCKET,
      relayUid: userId(environment.relayUid, IMAGE_USER),
      log,
      signal,
    });
  });
}
