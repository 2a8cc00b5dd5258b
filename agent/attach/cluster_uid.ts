import { backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";
import type { Api } from "../../kube/client/api.ts";
import { resources } from "../../kube/client/resources.ts";
import type { Log } from "../../wire/log.ts";

/** Milliseconds between attempts, while the API server can't be reached. */
const RETRY = { firstMs: 500, maxMs: 10_000 };

/**
 * Reads the UID of namespace kube-system, by which key proofs name the cluster, as soon as the API server answers.
 * Undefined after the signal.
 */
export async function clusterUid(
  api: Pick<Api, "get">,
  log: Log,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const { metadata: { uid } } = await api.get(resources.namespaces, { name: "kube-system" }, { signal });
      if (typeof uid !== "string") throw new TypeError("namespace kube-system has no UID");
      return uid;
    } catch (error) {
      if (signal.aborted) return undefined;
      log("warn", "can't read which cluster this is", { error });
      await sleep(backoff(RETRY, failures), signal);
    }
  }
}
