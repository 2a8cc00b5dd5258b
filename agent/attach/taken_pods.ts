import { type Candidate, findPods } from "../../ffi/proc/pod_proc.ts";
import type { Pod } from "../../kube/objects/objects.ts";
import { isTerminating } from "../../kube/objects/selectors.ts";
import type { PlannedPod } from "./plan.ts";
import { LeavingPods } from "./leaving_pods.ts";
import { TakenPod, type TakeOver } from "./taken_pod.ts";
import type { Relay } from "./relay_link.ts";
import type { Log } from "../../wire/log.ts";

/** Why a pod can't be taken over. A pod that is just being made is in trouble for a moment: that isn't logged. */
interface Trouble {
  reason: string;
  readonly since: number;
  logged: boolean;
}

/** Milliseconds. */
const MOMENT_MS = 5_000;
/** Until a pod that relay refused is handed over again: each time its open connections are closed. */
const REFUSED_MS = 10_000;

/** The pods of this node that are taken over for the relay that is there, and why others aren't. */
export class TakenPods implements Disposable {
  readonly #how: TakeOver;
  readonly #others: ReadonlySet<number>;
  readonly #log: Log;
  readonly #taken = new Map<string, TakenPod>();
  readonly #leaving: LeavingPods;
  readonly #troubles = new Map<string, Trouble>();
  /** Pods that relay refused, and when. */
  readonly #refused = new Map<string, number>();
  /** What relay was told last of each pod's ports. */
  readonly #told = new Map<string, string>();

  /** @param others Inodes of network namespaces that are no pod's to take: the host's and our own. */
  constructor(how: TakeOver, others: ReadonlySet<number>, log: Log) {
    this.#how = how;
    this.#others = others;
    this.#log = log;
    this.#leaving = new LeavingPods(how.hostProc, log);
  }

  get(uid: string): TakenPod | undefined {
    return this.#taken.get(uid);
  }

  /** Why a pod isn't taken over yet. */
  trouble(uid: string): string | undefined {
    return this.#troubles.get(uid)?.reason;
  }

  /**
   * Brings what is taken to what is planned, and tells relay.
   * @param mayGo Whether a rule's connections may go to relay now.
   * @returns Whether pods are missing whose sandbox isn't there yet: to be tried again soon.
   */
  reconcile(
    planned: ReadonlyMap<string, PlannedPod>,
    relay: Relay,
    mayGo: (rule: string) => boolean,
  ): boolean {
    for (const [uid, taken] of this.#taken) {
      const plan = planned.get(uid);
      const stays = plan !== undefined && taken.alive && this.#isStillRight(taken, plan.pod);
      if (!stays) this.#release(uid, relay);
    }
    const pods = [...planned.values()].map(({ pod }) => pod);
    for (const [uid, at] of this.#refused) {
      if (!planned.has(uid) || performance.now() - at > REFUSED_MS) this.#refused.delete(uid);
    }
    const missing = new Set(
      pods.filter((pod) => !isTerminating(pod) && !this.#taken.has(pod.uid) && !this.#refused.has(pod.uid))
        .map(({ uid }) => uid),
    );
    if (missing.size > 0) this.#take(missing, planned, relay);
    const leaving = pods.filter((pod) => isTerminating(pod) && this.#taken.has(pod.uid)).map(({ uid }) =>
      uid
    );
    this.#leaving.follow(new Set(leaving), (uid) => this.#release(uid, relay));
    for (const [uid, plan] of planned) {
      const taken = this.#taken.get(uid);
      if (taken) this.#steer(taken, plan, relay, mayGo);
    }
    for (const uid of this.#troubles.keys()) if (!planned.has(uid)) this.#troubles.delete(uid);
    return [...missing].some((uid) => !this.#taken.has(uid));
  }

  /** Relay couldn't take a pod: it's left alone, for a while. */
  refused(uid: string, relay: Relay): void {
    const taken = this.#taken.get(uid);
    if (!taken) return;
    this.#release(uid, relay);
    this.#refused.set(uid, performance.now());
    this.#trouble(taken.pod, "the node agent's relay couldn't take it");
  }

  /** Steers nothing new; what is open goes on. */
  leaveAll(): void {
    for (const taken of this.#taken.values()) taken.steer(new Set());
  }

  /** Leaves all pods alone; relay, if it is there, isn't told: it's gone, or will be. */
  [Symbol.dispose](): void {
    this.#leaving[Symbol.dispose]();
    for (const taken of this.#taken.values()) taken[Symbol.dispose]();
    this.#taken.clear();
    this.#told.clear();
    this.#troubles.clear();
    this.#refused.clear();
  }

  #isStillRight(taken: TakenPod, pod: Pod): boolean {
    try {
      taken.check(pod); // its address may only be known now
      return true;
    } catch (error) {
      this.#log("warn", "released a pod", { pod: pod.name, error });
      return false;
    }
  }

  #release(uid: string, relay: Relay): void {
    this.#taken.get(uid)?.[Symbol.dispose]();
    this.#taken.delete(uid);
    this.#told.delete(uid);
    relay.send({ tell: "released", uid });
  }

  #take(missing: ReadonlySet<string>, planned: ReadonlyMap<string, PlannedPod>, relay: Relay): void {
    const found = findPods(this.#how.hostProc, missing);
    for (const uid of missing) {
      const plan = planned.get(uid);
      if (!plan) continue;
      const taken = this.#tryCandidates(plan.pod, found.get(uid) ?? []);
      if (!taken) continue;
      this.#troubles.delete(uid);
      this.#taken.set(uid, taken);
      this.#handOver(taken, plan, relay);
    }
  }

  #tryCandidates(pod: Pod, candidates: readonly Candidate[]): TakenPod | undefined {
    const others = new Set([...this.#others, ...[...this.#taken.values()].map(({ inode }) => inode)]);
    if (candidates.length === 0) this.#trouble(pod, "the pod's sandbox isn't there yet");
    for (const candidate of candidates) {
      try {
        return new TakenPod(pod, candidate, others, this.#how);
      } catch (error) {
        this.#trouble(pod, error instanceof Error ? error.message : String(error));
      }
    }
  }

  #trouble({ uid, name, namespace }: Pod, reason: string): void {
    const trouble = this.#troubles.get(uid) ?? { reason, since: performance.now(), logged: false };
    this.#troubles.set(uid, trouble);
    trouble.reason = reason;
    if (trouble.logged || performance.now() - trouble.since < MOMENT_MS) return;
    trouble.logged = true;
    this.#log("warn", "can't take over a pod", { pod: name, namespace, error: reason });
  }

  #handOver(taken: TakenPod, { pod, ports }: PlannedPod, relay: Relay): void {
    const steered = ports.map(({ port, rule }) => ({ port, rule: rule.uid }));
    relay.send({
      tell: "pod",
      uid: pod.uid,
      pod: `${pod.namespace}/${pod.name}`,
      addresses: pod.podIPs,
      workers: this.#how.workers,
      families: taken.families,
      ports: steered,
    }, taken.descriptors);
    taken.handedOver();
    this.#told.set(pod.uid, JSON.stringify(steered));
  }

  #steer(taken: TakenPod, plan: PlannedPod, relay: Relay, mayGo: (rule: string) => boolean): void {
    const { uid } = plan.pod;
    const ports = plan.ports.map(({ port, rule }) => ({ port, rule: rule.uid }));
    const told = JSON.stringify(ports);
    // Relay first: a connection that comes at once has its rule.
    if (this.#told.get(uid) !== told) {
      relay.send({ tell: "ports", uid, ports });
      this.#told.set(uid, told);
    }
    const live = ports.filter(({ rule }) => mayGo(rule)).map(({ port }) => port);
    const failed = taken.steer(new Set(live));
    if (failed) {
      this.#log("warn", "can't close open connections to an intercepted port: they stay with the pod", {
        pod: taken.pod.name,
        error: failed,
      });
    }
  }
}
