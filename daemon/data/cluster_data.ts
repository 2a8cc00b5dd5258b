import { portForward } from "../../kube/port_forward.ts";
import { type LocalTarget, type MainCalls, type NodeAgent, type RuleCounts } from "./protocol.ts";
import type { Calls, Channel } from "../worker_channel.ts";
import { LocalTargets } from "./local_targets.ts";
import { ReversedTunnel } from "./reversed_tunnel.ts";
import { Tunnel } from "./tunnel.ts";

/** What the data worker holds of one cluster: the tunnel out, and a reversed tunnel for each node agent. */
export class ClusterData implements AsyncDisposable {
  readonly #cluster: string;
  readonly #main: Channel<Calls, MainCalls>;
  readonly #locals = new LocalTargets();
  readonly #agents = new Map<string, ReversedTunnel>();
  #tunnel: Tunnel | undefined;

  constructor(cluster: string, main: Channel<Calls, MainCalls>) {
    this.#cluster = cluster;
    this.#main = main;
  }

  /** The tunnel to the gateway; undefined as long as only intercepts are asked for. */
  get tunnel(): Tunnel | undefined {
    return this.#tunnel;
  }

  /** Keeps a tunnel to the gateway from now on. */
  reach(): void {
    const cluster = this.#cluster;
    let pod = "";
    this.#tunnel ??= new Tunnel(async (signal) => {
      const place = await this.#main.call("gateway", cluster);
      pod = place.pod;
      return await portForward(place.access, { namespace: place.namespace, pod, port: place.port, signal });
    }, {
      connected: () => void this.#main.call("tunnel", { cluster, state: "connected", pod }),
      connecting: (why) => void this.#main.call("tunnel", { cluster, state: "connecting", why }),
    });
  }

  intercepts(targets: readonly LocalTarget[]): void {
    this.#locals.replace(targets);
  }

  /** Keeps reversed tunnels to these agents and to no others. */
  agents(agents: readonly NodeAgent[]): void {
    const wanted = new Map(agents.map((agent) => [`${agent.session} ${agent.uid}`, agent]));
    for (const [key, tunnel] of this.#agents) {
      if (wanted.has(key)) continue;
      this.#agents.delete(key);
      void tunnel[Symbol.asyncDispose]();
    }
    for (const [key, agent] of wanted) {
      if (!this.#agents.has(key)) this.#agents.set(key, this.#reversed(agent));
    }
  }

  #reversed(agent: NodeAgent): ReversedTunnel {
    const of = { cluster: this.#cluster, agent };
    return new ReversedTunnel({
      dial: async (signal) => {
        const place = await this.#main.call("agent", of);
        return await portForward(place.access, {
          namespace: place.namespace,
          pod: place.pod,
          port: place.port,
          signal,
        });
      },
      local: (rule, port) => this.#locals.dial(rule, port),
      prove: (challenge) => this.#main.call("prove", { ...of, challenge }),
      log: (message) =>
        void this.#main.call("log", {
          message,
          fields: { cluster: this.#cluster, pod: agent.pod, node: agent.node },
        }),
    });
  }

  counts(): RuleCounts[] {
    return this.#locals.counts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reversed = [...this.#agents.values()];
    this.#agents.clear();
    await Promise.all([this.#tunnel, ...reversed].map((one) => one?.[Symbol.asyncDispose]()));
  }
}
