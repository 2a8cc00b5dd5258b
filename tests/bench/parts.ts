import { createHash } from "node:crypto";
import type { Part } from "./processes.ts";

/** Whose pmz counts: a person's daemon on a laptop (1 if absent), and the agents' pods that carry its connections, by UID. */
export interface Pmz {
  readonly uid: number;
  readonly laptop?: number;
  readonly gateway?: string;
  readonly nodeAgents?: readonly string[];
}

/**
 * The processes of a test cluster that carry a connection, by the control groups that its machines have: the name of
 * the state's folder and a hash of its path are the first words of each (tests/cluster/lib/machine.sh).
 *
 * @param state the folder of the test cluster's state; PMZ_STATE or its default where it isn't given
 */
export function clusterParts(cluster: string, pmz?: Pmz, state = stateFolder()): Part {
  const label = labelOf(state);
  const laptop = machine(`${label}-dev-${pmz?.laptop ?? 1}`);
  const nodes = machine(`${label}-${cluster}-node-\\d+`);
  return ({ cgroup, uid, command: [program = "", verb = ""] }) => {
    const name = program.slice(program.lastIndexOf("/") + 1);
    if (laptop.test(cgroup)) {
      if (pmz === undefined) return name === "kubectl" ? "kubectl" : undefined;
      // Root's program starts itself again as what was unpacked.
      if (name !== "pmz" && !program.includes("/cache/pmz/")) return undefined;
      return uid === pmz.uid ? "daemon" : uid === 0 ? "helper" : undefined;
    }
    if (!nodes.test(cgroup)) return undefined;
    if (pmz?.gateway !== undefined && cgroup.includes(`pod${pmz.gateway}`)) return "gateway";
    if (pmz?.nodeAgents?.some((uid) => cgroup.includes(`pod${uid}`))) return "node agent";
    if (name === "containerd") return "containerd";
    if (name !== "kube") return undefined;
    return verb === "kube-apiserver" ? "apiserver" : verb === "kubelet" ? "kubelet" : undefined;
  };
}

/** Which machine of the test cluster a control group belongs to: "dev-1", "one-node-2"; undefined for none of them. */
export function machineOf(cgroup: string, state = stateFolder()): string | undefined {
  return new RegExp(`/${labelOf(state)}-([^/]+)`).exec(cgroup)?.[1];
}

function labelOf(state: string): string {
  const hash = createHash("sha256").update(`${state}\n`).digest("hex").slice(0, 8);
  return `${state.slice(state.lastIndexOf("/") + 1)}-${hash}`;
}

function machine(label: string): RegExp {
  return new RegExp(`/${label}(/|$)`);
}

function stateFolder(): string {
  return Deno.env.get("PMZ_STATE") ?? "/var/lib/pmz-cluster";
}
