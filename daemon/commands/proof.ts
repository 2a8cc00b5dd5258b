import { unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import type { Probe } from "../../dataplane/plane.ts";
import { formatEndpoint } from "../../net/address.ts";
import type { Mode, UpResult, Warning } from "../../wire/control.ts";
import { formatOutcome } from "../../wire/flow.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { Cluster } from "../clusters/cluster.ts";
import { isLedElsewhere } from "../laptop/arrival.ts";
import type { Reachable } from "./reachable.ts";

/** To show that it works: one Service after the other is dialled, each for so long, in milliseconds. */
const PROOF_TIMEOUT_MS = 3_000;
const PROOFS = 5;

/** What came of a proof. */
export interface Tried {
  /** The first Service that took a connection. */
  readonly proof?: UpResult["proof"];
  /** Those before it that didn't. */
  readonly silent: readonly Reachable[];
  /** What was seen of each of them. */
  readonly warnings: readonly Warning[];
  /** Whether a captured address couldn't be dialled on this machine: a firewall may keep connections from it. */
  readonly isBlocked: boolean;
}

/** What a dial has seen: how long it took, or why it failed. */
type Seen = { readonly ms: number } | {
  readonly why: string;
  readonly hint?: string;
  readonly isBlocked?: true;
};

/**
 * Dials the first candidates until one takes a connection. One that doesn't is a warning: it may be its own trouble, and
 * whatever else works is of use.
 * @throws the signal's reason
 */
export async function prove(
  candidates: readonly Reachable[],
  mode: Mode,
  connected: Cluster,
  clusters: Pick<ClusterRegistry, "data">,
  signal: AbortSignal,
): Promise<Tried> {
  const warnings: Warning[] = [];
  const silent: Reachable[] = [];
  let isBlocked = false;
  for (const candidate of candidates.slice(0, PROOFS)) {
    const { service, port, address } = candidate;
    const name = `${service.name}.${service.namespace}`;
    const seen = await dial(mode, connected.id, clusters, address, port.port, signal);
    if ("ms" in seen) {
      return { proof: { service: name, port: port.port, ms: seen.ms }, silent, warnings, isBlocked };
    }
    silent.push(candidate);
    const message = `${name}:${port.port} doesn't accept connections: ${seen.why}`;
    isBlocked ||= seen.isBlocked ?? false;
    warnings.push(seen.hint === undefined ? { message } : { message, hint: seen.hint });
  }
  return { silent, warnings, isBlocked };
}

/** Dials as the mode's programs will: by the captured address, and through the tunnel. */
async function dial(
  mode: Mode,
  cluster: string,
  { data }: Pick<ClusterRegistry, "data">,
  address: string,
  port: number,
  signal: AbortSignal,
): Promise<Seen> {
  const started = performance.now();
  const blocked = (what: string): Seen => ({
    why: `${formatEndpoint(address, port)} is captured, and a connection on this machine ${what}`,
    hint: "look at the rules of this machine: ip rule; sudo nft list ruleset",
    isBlocked: true,
  });
  using limit = new TimeLimit(PROOF_TIMEOUT_MS, signal);
  // Open until the end: a flow that fails shows pmz as its program then.
  using open = new DisposableStack();
  if (mode === "capture") {
    try {
      const conn = open.use(await Deno.connect({ hostname: address, port, signal: limit.signal }));
      if (isLedElsewhere(conn)) return blocked("is led elsewhere");
    } catch (error) {
      signal.throwIfAborted();
      const why = limit.signal.aborted ? SILENT : error instanceof Error ? error.message : String(error);
      return blocked(`fails: ${why}`);
    }
  }
  let probe: Probe;
  try {
    probe = await unlessAborted(data.probe({ protocol: "tcp", cluster, address, port }), limit.signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!limit.signal.aborted) throw error;
    return {
      why: `no answer through the tunnel from ${formatEndpoint(address, port)} within ${
        PROOF_TIMEOUT_MS / 1000
      } s`,
      hint:
        "does a policy of the cluster or a dead endpoint drop it? kubectl get networkpolicies,endpointslices",
    };
  }
  const { outcome } = probe;
  if (outcome.kind !== "done") return { why: formatOutcome(outcome) };
  return { ms: Math.round((performance.now() - started) * 10) / 10 };
}

const SILENT = `no answer within ${PROOF_TIMEOUT_MS / 1000} s`;
