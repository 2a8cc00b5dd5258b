import { unlessAborted } from "../async/abort.ts";
import type { DialAgent } from "./tunnel/dial_agent.ts";
import { placeDialler } from "./tunnel/place_dialler.ts";
import type { FlowTable } from "./flow_table.ts";
import { inbound } from "./inbound.ts";
import { inboundUdp, programOpener } from "./udp/inbound_udp.ts";
import { ReceiveBuffers } from "./udp/receive_buffers.ts";
import type { LocalTarget, MainCalls, NodeAgent, RuleCounts } from "./protocol.ts";
import type { Calls, Channel } from "../threads/channel.ts";
import { LocalTargets } from "./local_targets.ts";
import { ReversedTunnel } from "./tunnel/reversed_tunnel.ts";
import { Tunnel } from "./tunnel/tunnel.ts";

/** What the tunnels of a cluster need. */
export interface ClusterTunnelsParts {
  readonly cluster: string;
  readonly main: Channel<Calls, MainCalls>;
  readonly dial: DialAgent;
  readonly flows: FlowTable;
}

/** A worker's tunnels of one cluster: one to the gateway, and a reversed one to each of its node agents. */
export class ClusterTunnels implements AsyncDisposable {
  readonly #cluster: string;
  readonly #main: Channel<Calls, MainCalls>;
  readonly #dial: DialAgent;
  readonly #flows: FlowTable;
  readonly #locals = new LocalTargets();
  readonly #openProgram = programOpener(new ReceiveBuffers());
  readonly #agents = new Map<string, ReversedTunnel>();
  #wanted: readonly NodeAgent[] = [];
  #tunnel: Tunnel | undefined;

  constructor({ cluster, main, dial, flows }: ClusterTunnelsParts) {
    this.#cluster = cluster;
    this.#main = main;
    this.#dial = dial;
    this.#flows = flows;
  }

  /** The tunnel to the gateway; undefined until `reach`, as in a cluster that is only intercepted. */
  get tunnel(): Tunnel | undefined {
    return this.#tunnel;
  }

  /** Keeps a tunnel to the gateway from now on. */
  reach(): void {
    const cluster = this.#cluster;
    let pod = "";
    const dial = placeDialler(this.#dial);
    this.#tunnel ??= new Tunnel((signal) =>
      // The plane answers once there is a gateway, which may be never.
      dial(async (after) => {
        const place = await unlessAborted(this.#main.call("gateway", { cluster, ...after }), signal);
        pod = place.pod;
        return place;
      }, signal), {
      connected: () => void this.#main.call("tunnel", { cluster, state: "connected", pod }),
      connecting: (why) => void this.#main.call("tunnel", { cluster, state: "connecting", why }),
      ended: (why) => void this.#main.call("tunnel", { cluster, state: "ended", why }),
    });
  }

  /** Replaces where intercepted connections go. */
  setIntercepts(targets: readonly LocalTarget[]): void {
    this.#locals.replace(targets);
  }

  /** Keeps reversed tunnels to these agents, and ends those to others. */
  setAgents(agents: readonly NodeAgent[]): void {
    this.#wanted = agents;
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
    const dial = placeDialler(this.#dial);
    return new ReversedTunnel({
      dial: (signal) =>
        dial((after) => unlessAborted(this.#main.call("agent", { ...of, ...after }), signal), signal),
      serve: (stream) =>
        void inbound(stream, { cluster: this.#cluster, locals: this.#locals, flows: this.#flows }),
      serveUdp: (stream) =>
        void inboundUdp(stream, {
          cluster: this.#cluster,
          locals: this.#locals,
          flows: this.#flows,
          open: this.#openProgram,
        }),
      counted: (counts) => this.#locals.counted(counts),
      prove: (challenge) => this.#main.call("prove", { ...of, challenge }),
      log: (message, fields) =>
        void this.#main.call("log", {
          message,
          fields: { cluster: this.#cluster, pod: agent.pod, node: agent.node, ...fields },
        }),
    });
  }

  /** Pings all tunnels at once. */
  check(): void {
    for (const tunnel of [this.#tunnel, ...this.#agents.values()]) tunnel?.check();
  }

  /** The nodes whose agents aren't connected at the moment. */
  get lostNodes(): string[] {
    const key = ({ session, uid }: NodeAgent) => `${session} ${uid}`;
    return this.#wanted.flatMap((agent) => this.#agents.get(key(agent))?.isUp ? [] : [agent.node]);
  }

  /** The connections of each intercept. */
  counts(): RuleCounts[] {
    return this.#locals.counts();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reversed = [...this.#agents.values()];
    this.#agents.clear();
    await Promise.all([this.#tunnel, ...reversed].map((one) => one?.[Symbol.asyncDispose]()));
  }
}
