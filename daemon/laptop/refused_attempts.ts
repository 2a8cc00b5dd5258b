import type { RefusedAttempts, Unserved } from "../../dataplane/plane.ts";
import { printableName, programName } from "../../ffi/proc/socket_program.ts";
import { formatEndpoint } from "../../net/address.ts";
import type { CapturedPorts, HookRefusal } from "../../wire/helper.ts";
import type { LaptopCluster } from "./laptop_cluster.ts";
import { whyUnserved } from "./why_unserved.ts";

/** What the daemon knows where a refusal comes in. */
export interface RefusalContext {
  /** The cluster that the address is captured for. */
  readonly cluster: Pick<LaptopCluster, "id" | "index"> | undefined;
  /** What the program dialled, where that may be a virtual address. */
  readonly dialled?: string;
  /** The user's pmz address. */
  readonly from: string;
  /** Whether process ids of refusals are those that this process sees. */
  readonly seesProcess: boolean;
  readonly now?: number;
}

/** What the hooks have refused as a failed flow: which program, the name of what it dialled, and the reason in words. */
export function refusedAttempts(
  refusal: HookRefusal,
  { cluster, dialled, from, seesProcess, now = Date.now() }: RefusalContext,
): RefusedAttempts {
  const { protocol, address, port, count, process, sinceFirst, sinceLast } = refusal;
  const name = cluster?.index.nameAt(address);
  const known = seesProcess ? programName(process) : undefined;
  return {
    protocol,
    cluster: cluster?.id ?? "",
    to: formatEndpoint(address, port),
    ...(dialled === undefined || dialled === address ? {} : { virtual: formatEndpoint(dialled, port) }),
    ...(name === undefined ? {} : { name: `${name}:${port}` }),
    from,
    program: {
      ...(seesProcess ? { pid: process } : {}),
      name: known ?? printableName(refusal.program), // a short-lived program has ended by now
    },
    ...whyRefused(refusal, cluster?.index.addresses.get(address)),
    times: count,
    first: now - sinceFirst,
    last: now - sinceLast,
  };
}

function whyRefused(
  { protocol, address, port }: HookRefusal,
  ports: CapturedPorts | undefined,
): Unserved {
  if (ports === undefined) {
    const details = `no connected cluster has the address ${address} any more`;
    return { error: "destination_not_found", details };
  }
  return whyUnserved(ports, port, protocol) ??
    { error: "destination_unavailable", details: "no ready endpoint then; there is one by now" };
}
