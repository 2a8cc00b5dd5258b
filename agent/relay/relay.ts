import { cheapestKind } from "../../ffi/sockets/adopt.ts";
import type { ConnectionKind } from "../../ffi/sockets/connection_kind.ts";
import { NodeConnection } from "../../ffi/sockets/node_connection.ts";
import { SteeredDatagrams } from "../../ffi/sockets/steered_datagrams.ts";
import { Readiness } from "../../ffi/sockets/readiness.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { BufferPool } from "../../hbone/mod.ts";
import { sleep } from "../../async/sleep.ts";
import type { Endpoint } from "../../net/address.ts";
import type { AttachMessage, RelayLimit } from "../../wire/handover.ts";
import { flowIds } from "../../wire/flow.ts";
import { helloOf } from "../../wire/hello.ts";
import type { Log } from "../../wire/log.ts";
import { STOCK_DENO } from "../../wire/version.ts";
import { type AttachHello, AttachLink } from "./attach_link.ts";
import { rateLimited } from "../rate_limited_log.ts";
import { LimitReports } from "./limit_reports.ts";
import { NestedPlaces } from "./nested_places.ts";
import { Places } from "./places.ts";
import { type Handover, type PodHost, RelayedPod } from "./relayed_pod.ts";
import type { Source } from "./upstreams.ts";
import type { TunnelIdentity } from "./tunnel.ts";
import { TunnelListeners, type TunnelPorts } from "./tunnel_listeners.ts";
import { Tunnels } from "./tunnels.ts";
import { MirrorLimits } from "./mirror_limits.ts";
import { RoutedRules } from "./routed_rules.ts";
import type { Router } from "../routing/router.ts";
import { SourceClassifier } from "./source_classifier.ts";

export interface RelayOptions {
  /** The path of attach's socket. */
  readonly handoverPath: string;
  /** The user that attach runs as; root by default. */
  readonly attachUid?: number;
  readonly ports: TunnelPorts;
  /** The kind that pods' connections are made of; by default the one that costs least with this Deno. */
  readonly connectionKind?: ConnectionKind;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Milliseconds between heartbeats: bpf/intercept.bpf.c takes two seconds without one for a hang. */
const HEARTBEAT_MS = 250;
/** Milliseconds between two looks whether callers leave so much unread that others wait. */
const RELIEVE_MS = 50;
/** Milliseconds between reports of requests to laptops. */
const REPORT_MS = 2_000;
/** Milliseconds that open connections have to end by themselves after the signal: less than the pod's 10 s. */
const DRAIN_MS = 7_000;
/** Bytes of HTTP/2 messages of all callers that wait to be sent on; beyond, a connection that holds more than 1 MiB has to wait. */
const MOST_UNREAD = 128 * 1024 * 1024;
/** Connections of all pods at once: shared by the pods' namespaces, and in each by the callers' addresses. */
const MOST_CONNECTIONS = 16_384;
/** UDP flows of all pods at once, shared as connections are. */
const MOST_FLOWS = 16_384;
/** Heads of requests beyond a few KiB that wait to be complete, of all pods: shared by the callers' addresses. */
const MOST_LONG_HEADS = 1_024;
/** Open HTTP/2 streams of all callers, shared by their addresses; one whose request has long fields counts for several. */
const MOST_STREAMS_OPEN = 16_384;

/**
 * Runs relay, the part of the node agent that carries traffic and has no rights: no capability, no token, a view of no
 * other process. It has sockets that attach made in pods, and tunnels that laptops opened and that have proven their
 * sessions. After the signal it takes no new connections and lets open ones end.
 */
export async function runRelay(options: RelayOptions): Promise<void> {
  const { signal, log } = options;
  await using relay = new Relay(options);
  const ending = new AbortController();
  const linked = relay.link.run(ending.signal);
  const beating = setInterval(() => relay.beat(), HEARTBEAT_MS);
  const relieving = setInterval(() => relay.relieve(), RELIEVE_MS);
  const reporting = setInterval(() => relay.report(), REPORT_MS);
  try {
    await sleep(0x7fffffff, signal);
    log("info", "draining", { connections: relay.connections });
    await relay.drain();
  } finally {
    clearInterval(beating);
    clearInterval(relieving);
    clearInterval(reporting);
    ending.abort();
    await linked;
  }
}

class Relay implements AsyncDisposable, PodHost {
  readonly #options: RelayOptions;
  readonly link: AttachLink;
  readonly #classifier: SourceClassifier;
  readonly #pods = new Map<string, RelayedPod>();
  readonly #routed = new RoutedRules((uid) => this.#provenNow.has(uid));
  readonly mirrorLimits = new MirrorLimits();
  readonly #ended = new AbortController();
  #connectionKind: ConnectionKind | undefined;
  #tunnels: Tunnels | undefined;
  #identity: TunnelIdentity | undefined;
  #listeners: TunnelListeners | undefined;
  #draining = false;
  #proven: readonly string[] = [];
  #provenNow: ReadonlySet<string> = new Set();
  /** Rules that have been proven before, of those that are there. */
  readonly #provenBefore = new Set<string>();
  readonly buffers = new BufferPool(MOST_UNREAD);
  readonly #open = new NestedPlaces(MOST_CONNECTIONS);
  readonly #limits = new LimitReports();
  readonly longHeads = new Places(MOST_LONG_HEADS);
  readonly streams = new Places(MOST_STREAMS_OPEN);
  readonly flows = new NestedPlaces(MOST_FLOWS);
  readonly reader = new SteeredDatagrams();
  #readiness: Readiness | undefined;
  readonly log: Log;
  readonly nextFlow: () => string = flowIds();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.log = rateLimited(options.log);
    this.#classifier = new SourceClassifier((message) => this.link.send(message));
    const { handoverPath: path, attachUid = 0, log } = options;
    this.link = new AttachLink({
      path,
      attachUid,
      log,
      onHello: (message) => this.#begin(message),
      onMessage: (message, fds) => this.#received(message, fds),
      onDisconnected: () => this.#releaseAll(),
    });
  }

  get connections(): number {
    return this.#open.taken;
  }

  get tunnels(): Pick<Tunnels, "of" | "rule"> {
    if (!this.#tunnels) throw new Error("attach hasn't sent its hello yet");
    return this.#tunnels;
  }

  get connectionKind(): ConnectionKind {
    return this.#connectionKind ??= this.#chooseConnectionKind();
  }

  get readiness(): Readiness {
    return this.#readiness ??= new Readiness();
  }

  router(personal: readonly string[]): Router {
    return this.#routed.router(personal);
  }

  beat(): void {
    for (const pod of this.#pods.values()) pod.beat();
  }

  relieve(): void {
    this.#tunnels?.relieve();
  }

  /** Tells laptops how many requests their personal rules saw and took since the last time, and attach what met limits. */
  report(): void {
    const pods = this.#limits.take();
    if (pods) this.link.send({ tell: "limited", pods });
    const counts = this.#routed.takeCounts();
    if (counts.length > 0) this.#tunnels?.report(counts);
  }

  requestSockets(uid: string, family: 4 | 6, count: number): void {
    this.link.send({ tell: "request-sockets", uid, family, count });
  }

  classify(caller: Endpoint, destination: Endpoint): Promise<Source> {
    return this.#classifier.classify(caller, destination);
  }

  enter(caller: string, { namespace }: { readonly namespace: string }): boolean {
    if (this.#open.enter(namespace, caller)) return true;
    const open = this.connections;
    this.log("warn", "reset a connection: its share of all is open", { open, namespace, caller });
    return false;
  }

  left(caller: string, { namespace }: { readonly namespace: string }): void {
    this.#open.leave(namespace, caller);
    if (this.connections === 0 && this.#draining) this.#ended.abort();
  }

  limitMet(uid: string, limit: RelayLimit): void {
    this.#limits.met(uid, limit);
  }

  /** Tells attach to steer no new connections, and waits some seconds for open ones. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#tellProven();
    this.#listeners?.close();
    if (this.connections > 0) await sleep(DRAIN_MS, this.#ended.signal);
    else await sleep(HEARTBEAT_MS); // for connections that were steered before attach read it
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    this.#releaseAll();
    this.#readiness?.[Symbol.dispose]();
    await this.#listeners?.[Symbol.asyncDispose]();
    await this.#tunnels?.[Symbol.asyncDispose]();
    if (this.connections > 0) await sleep(1_000, this.#ended.signal); // they were aborted, and end within a few turns
  }

  #begin({ clusterUid, caHash, pod, node }: AttachHello): void {
    const cluster = { uid: clusterUid, caHash };
    const before = this.#identity;
    if (before && (before.cluster.uid !== clusterUid || before.pod !== pod || before.node !== node)) {
      throw new Error("attach belongs to another pod or cluster than before");
    }
    this.#identity = { hello: helloOf("reversed-tunnel"), cluster, pod, node };
    if (!this.#tunnels) {
      this.#tunnels = new Tunnels({
        identity: this.#identity,
        onProven: (rules) => this.#setProven(rules),
        log: this.log,
      });
      this.#listeners = new TunnelListeners(this.#options.ports, this.#tunnels, this.#options.log);
    } else this.#tunnels.identity = this.#identity; // the CA may have been rotated
    this.#limits.restart();
    this.#tellProven();
  }

  #received(message: Exclude<AttachMessage, AttachHello>, fds: readonly number[]): void {
    const takesFds = message.tell === "pod" || message.tell === "sockets";
    if (!takesFds) { for (const fd of fds) closeDescriptor(fd); }
    switch (message.tell) {
      case "rules":
        this.#retain(new Set(message.rules.map(({ uid }) => uid)));
        return this.#tunnels?.setRules(message.rules);
      case "match":
        this.#routed.set(message);
        for (const pod of this.#pods.values()) pod.rulesChanged();
        return;
      case "pod":
        return this.#take(message, fds);
      case "ports":
        return this.#pods.get(message.uid)?.setPorts(message.ports);
      case "released":
        this.#pods.get(message.uid)?.[Symbol.dispose]();
        return void this.#pods.delete(message.uid);
      case "sockets": {
        const pod = this.#pods.get(message.uid);
        if (pod) return pod.addSockets(message.family, fds);
        for (const fd of fds) closeDescriptor(fd);
        return;
      }
      case "host":
        return this.#classifier.setHost(message.addresses);
      case "classified":
        return this.#classifier.answered(message.id, message.kubelet);
    }
  }

  /** Called once: the log tells an administrator why relay takes more CPU than measured. */
  #chooseConnectionKind(): ConnectionKind {
    const { connectionKind = cheapestKind(), log } = this.#options;
    if (connectionKind === NodeConnection) {
      log("warn", "connections cost more CPU with this version of Deno than with the stock image's", {
        deno: Deno.version.deno,
        stock: STOCK_DENO,
      });
    }
    return connectionKind;
  }

  /** A pod that can't be taken over, as when this process has no descriptors left, leaves the others as they are. */
  #take(handover: Handover, fds: readonly number[]): void {
    const { uid, pod } = handover;
    this.#pods.get(uid)?.[Symbol.dispose]();
    this.#pods.delete(uid);
    try {
      this.#pods.set(uid, new RelayedPod(handover, fds, this));
    } catch (error) {
      this.#options.log("warn", "can't take over a pod", { pod, error });
      this.link.send({ tell: "refused", uid });
    }
  }

  /** attach disconnected: its sockets are closed. Tunnels stay until it is back. */
  #releaseAll(): void {
    for (const pod of this.#pods.values()) pod[Symbol.dispose]();
    this.#pods.clear();
    this.#retain(new Set());
    this.#tunnels?.setRules([]);
  }

  #setProven(rules: readonly string[]): void {
    this.#proven = rules;
    this.#provenNow = new Set(rules);
    const first = new Set(rules.filter((uid) => !this.#provenBefore.has(uid)));
    for (const uid of first) this.#provenBefore.add(uid);
    for (const pod of this.#pods.values()) pod.rulesChanged();
    if (first.size > 0) { for (const pod of this.#pods.values()) pod.newlyInForce(first); }
    this.#tellProven();
  }

  /** Forgets all rules but these. */
  #retain(uids: ReadonlySet<string>): void {
    this.#routed.retain(uids);
    for (const uid of this.#provenBefore) if (!uids.has(uid)) this.#provenBefore.delete(uid);
  }

  #tellProven(): void {
    this.link.send({ tell: "proven", rules: this.#draining ? [] : this.#proven });
  }
}
