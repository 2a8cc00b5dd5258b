import { parseAddress } from "../../net/address.ts";
import type { Flow } from "../../wire/flow.ts";
import type { Topology } from "./topology.ts";

/** An index is used for so long before it is made anew, in milliseconds. */
const FRESH_MS = 1_000;

type Index = ReadonlyMap<string, string>;

/** The names of what flows were dialled to: a Service, by its clusterIP. */
export class FlowNames {
  readonly #topologyOf: (cluster: string) => Pick<Topology, "services"> | undefined;
  readonly #now: () => number;
  readonly #indexes = new Map<string, { readonly index: Index; readonly madeAt: number }>();

  /** @param now milliseconds; the clock of the process without it */
  constructor(
    topologyOf: (cluster: string) => Pick<Topology, "services"> | undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#topologyOf = topologyOf;
    this.#now = now;
  }

  /** The flow with the name of what was dialled, where there is one: "payments.default.svc:8080". */
  named(flow: Flow): Flow {
    if (flow.name !== undefined || flow.kind === "intercepted") return flow;
    const [, address = "", port] = /^\[?([^\]]*)\]?:(\d+)$/.exec(flow.to) ?? [];
    const name = this.#indexOf(flow.cluster).get(address);
    return name === undefined ? flow : { ...flow, name: `${name}:${port}` };
  }

  #indexOf(cluster: string): Index {
    const known = this.#indexes.get(cluster);
    if (known && this.#now() - known.madeAt < FRESH_MS) return known.index;
    const topology = this.#topologyOf(cluster);
    const index = topology ? indexOf(topology) : known?.index ?? new Map<string, string>();
    if (topology) this.#indexes.set(cluster, { index, madeAt: this.#now() });
    else this.#indexes.delete(cluster);
    return index;
  }
}

function indexOf({ services }: Pick<Topology, "services">): Index {
  const index = new Map<string, string>();
  for (const { name, namespace, clusterIPs } of services.values()) {
    for (const text of clusterIPs) {
      const address = parseAddress(text);
      if (address) index.set(address.text, `${name}.${namespace}.svc`);
    }
  }
  return index;
}
