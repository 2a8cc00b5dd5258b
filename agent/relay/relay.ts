import { acceptAll } from "../../ffi/sockets/accept.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { sleep } from "../../async/sleep.ts";
import type { AttachMessage } from "../../wire/handover.ts";
import type { Hello } from "../../wire/hello.ts";
import type { Log } from "../../wire/log.ts";
import { RELEASE } from "../../wire/version.ts";
import { type AttachHello, AttachLink } from "./attach_link.ts";
import { type Handover, type PodHost, RelayedPod } from "./relayed_pod.ts";
import type { Identity } from "./tunnel.ts";
import { Tunnels } from "./tunnels.ts";
import { Whose } from "./source_classifier.ts";

export interface RelayOptions {
  /** Of attach's socket. */
  readonly handoverPath: string;
  /** The user that attach runs as; 0 without it. */
  readonly attachUid?: number;
  /** On 127.0.0.1: where laptops' tunnels come in through the API server's port-forward. */
  readonly listenPort: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Milliseconds: the program in the pods takes two seconds without a beat for a hang. */
const BEAT_MS = 250;
/** Milliseconds that open connections have to end by themselves after the signal: within the pod's 10 s. */
const DRAIN_MS = 7_000;
/** Connections of all pods at once. */
const MOST_CONNECTIONS = 16_384;

const hello: Hello = { protocol: "reversed-tunnel", version: 1, oldest: 1, features: [], release: RELEASE };

/**
 * The part of the node agent that carries traffic, and has no rights: no capability, no token, no process to see. What
 * it works with are sockets that attach made in pods, and tunnels that laptops opened and that have proven whose they
 * are. Until the signal; then it takes nothing new and lets what is open end.
 */
export async function runRelay(options: RelayOptions): Promise<void> {
  const { signal, log } = options;
  await using relay = new Relay(options);
  const ending = new AbortController();
  const linked = relay.link.run(ending.signal);
  const beating = setInterval(() => relay.beat(), BEAT_MS);
  try {
    await sleep(0x7fffffff, signal);
    log("info", "draining", { connections: relay.connections });
    await relay.drain();
  } finally {
    clearInterval(beating);
    ending.abort();
    await linked;
  }
}

class Relay implements AsyncDisposable, PodHost {
  readonly #options: RelayOptions;
  readonly link: AttachLink;
  readonly #whose: Whose;
  readonly #pods = new Map<string, RelayedPod>();
  readonly #ended = new AbortController();
  #tunnels: Tunnels | undefined;
  #identity = "";
  #listener: Deno.TcpListener | undefined;
  #accepting: Promise<void> | undefined;
  #draining = false;
  #live: readonly string[] = [];
  connections = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#whose = new Whose((message) => this.link.send(message));
    const { handoverPath: path, attachUid = 0, log } = options;
    this.link = new AttachLink({
      path,
      attachUid,
      log,
      onHello: (message) => this.#begin(message),
      onMessage: (message, fds) => this.#told(message, fds),
      onGone: () => this.#void(),
    });
  }

  get tunnels(): Pick<Tunnels, "of" | "rule"> {
    if (!this.#tunnels) throw new Error("attach hasn't said hello yet");
    return this.#tunnels;
  }

  beat(): void {
    for (const pod of this.#pods.values()) pod.beat();
  }

  need(uid: string, family: 4 | 6, count: number): void {
    this.link.send({ tell: "need", uid, family, count });
  }

  whose(...ends: Parameters<Whose["whose"]>): ReturnType<Whose["whose"]> {
    return this.#whose.whose(...ends);
  }

  enter(): boolean {
    if (this.connections >= MOST_CONNECTIONS) return false;
    this.connections++;
    return true;
  }

  left(): void {
    if (--this.connections === 0 && this.#draining) this.#ended.abort();
  }

  /** Has attach steer nothing any more, and waits for what is open, a while. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#tellLive();
    this.#listener?.close();
    if (this.connections > 0) await sleep(DRAIN_MS, this.#ended.signal);
    else await sleep(BEAT_MS); // what was on its way when attach was told
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#draining = true;
    this.#void();
    try {
      this.#listener?.close();
    } catch {
      // Closed before, to drain.
    }
    await this.#accepting;
    await this.#tunnels?.[Symbol.asyncDispose]();
    if (this.connections > 0) await sleep(1_000, this.#ended.signal); // they were broken off: it's a matter of turns
  }

  #begin({ cluster, pod, node }: AttachHello): void {
    const identity: Identity = { hello, cluster, pod, node };
    if (!this.#tunnels) {
      this.#identity = JSON.stringify(identity);
      this.#tunnels = new Tunnels({
        identity,
        onLive: (rules) => this.#setLive(rules),
        log: this.#options.log,
      });
      this.#accepting = this.#listen(this.#tunnels);
    } else if (this.#identity !== JSON.stringify(identity)) {
      throw new Error("attach is another pod's, or of another cluster, than before");
    }
    this.#tellLive();
  }

  #told(message: Exclude<AttachMessage, AttachHello>, fds: readonly number[]): void {
    const takesFds = message.tell === "pod" || message.tell === "sockets";
    if (!takesFds) { for (const fd of fds) closeDescriptor(fd); }
    switch (message.tell) {
      case "rules":
        return this.#tunnels?.setRules(message.rules);
      case "pod":
        return this.#take(message, fds);
      case "ports":
        return this.#pods.get(message.uid)?.setPorts(message.ports);
      case "gone":
        this.#pods.get(message.uid)?.[Symbol.dispose]();
        return void this.#pods.delete(message.uid);
      case "sockets": {
        const pod = this.#pods.get(message.uid);
        if (pod) return pod.addSockets(message.family, fds);
        for (const fd of fds) closeDescriptor(fd);
        return;
      }
      case "host":
        return this.#whose.setHost(message.addresses);
      case "caller":
        return this.#whose.answered(message.id, message.kubelet);
    }
  }

  /** A pod that can't be taken, since this process is out of descriptors, isn't the end of the others. */
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

  /** Attach is gone: what it gave is closed, tunnels stay for when it's back. */
  #void(): void {
    for (const pod of this.#pods.values()) pod[Symbol.dispose]();
    this.#pods.clear();
    this.#tunnels?.setRules([]);
  }

  #setLive(rules: readonly string[]): void {
    this.#live = rules;
    this.#tellLive();
  }

  #tellLive(): void {
    this.link.send({ tell: "live", rules: this.#draining ? [] : this.#live });
  }

  async #listen(tunnels: Tunnels): Promise<void> {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: this.#options.listenPort });
    this.#listener = listener;
    await acceptAll(listener, (connection) => {
      connection.setNoDelay(true);
      tunnels.add(connection);
    }, { failed: (error) => this.#options.log("warn", "can't accept a tunnel", { error }) });
  }
}
