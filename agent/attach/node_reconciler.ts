import { createHash } from "node:crypto";
import {
  type MatchedRule,
  MOST_HOST_ADDRESSES,
  type RelayedRule,
  type RelayLimit,
  type RelayMessage,
} from "../../wire/handover.ts";
import { type InterceptRule, isPersonal } from "../../wire/intercept.ts";
import { sleep } from "../../async/sleep.ts";
import { findCallers, type FoundCallers } from "./callers.ts";
import { type NodePlan, plan, type PlannedPort, portName, rulesOf } from "./plan.ts";
import type { ProbeDetector } from "./probe_detector.ts";
import type { RelayChannel } from "./relay_link.ts";
import { SessionClock } from "./sessions.ts";
import { type PortState, statusEntries, statusToApply } from "./status.ts";
import type { TakenPods } from "./taken_pods.ts";
import type { Log } from "../../wire/log.ts";
import { ToldMatches } from "./told_matches.ts";
import type { ClusterView } from "./view.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";

/** Milliseconds in which changes are collected before they are acted on. */
const COLLECT_MS = 10;
/** Milliseconds until a pod without a sandbox is looked at again. */
const SANDBOX_MS = 200;
/** Milliseconds until relay is told the next portion of matches. */
const PORTION_MS = 20;
/** Milliseconds between two rounds without a change. */
const LATEST_MS = 1_000;
/** Milliseconds in which the watch should show a status that was applied. */
const APPLIED_MS = 5_000;
/** Milliseconds between two reads of the node's addresses. */
const HOST_ADDRESSES_MS = 10_000;

/** What a rule's status says of a limit that connections of a pod have met. */
const limitMet: Readonly<Record<RelayLimit, string>> = {
  connections:
    "some connections were reset lately: their caller, or the namespace, has its share of all that the node " +
    "agent carries",
  port:
    "some connections went to the pod lately: their caller has its share of those that the port may have on laptops",
};

export interface NodeOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly pods: TakenPods;
  readonly probes: ProbeDetector;
  readonly log: Log;
  readonly clock?: SessionClock;
}

/**
 * Reconciles one node with the cluster: takes pods over, steers ports that have a live session and a proven tunnel, writes
 * the rules' status, and deletes expired sessions. Each round starts from the current state, so neither a missed change nor
 * a restart of attach or relay leaves anything behind.
 */
export class NodeReconciler implements Disposable {
  readonly #options: NodeOptions;
  readonly #clock: SessionClock;
  readonly #listening = new DisposableStack();
  readonly #writing = new Map<string, { readonly body: string; readonly at: number }>();
  /** When the deletion of a session was tried, by UID. */
  readonly #deleting = new Map<string, number>();
  /** Fingerprints by public key, of the sessions that exist. */
  readonly #fingerprints = new Map<string, string | undefined>();
  #relay: RelayChannel | undefined;
  /** The rules that have a proven tunnel. */
  #proven: ReadonlySet<string> = new Set();
  #toldRules = "";
  readonly #toldMatches = new ToldMatches();
  /** The callers of rules that name any, by the rule's UID. */
  #callers: ReadonlyMap<string, FoundCallers> = new Map();
  /** Pods whose connections have met a limit of relay's lately, and which. */
  #limited: ReadonlyMap<string, RelayLimit> = new Map();
  #toldHost = "";
  #hostAt = -Infinity;
  #wake = new AbortController();

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new SessionClock();
    this.#listening.use(options.view.onChange(() => this.#wake.abort()));
    this.#listening.use(options.view.onReturn(() => this.#clock.restart()));
  }

  /** A relay has connected; everything that the one before had is void. */
  relayConnected(relay: RelayChannel): void {
    this.relayDisconnected();
    this.#relay = relay;
    this.#wake.abort();
  }

  relayDisconnected(): void {
    this.#relay = undefined;
    this.#proven = new Set();
    this.#limited = new Map();
    [this.#toldRules, this.#toldHost] = ["", ""];
    this.#toldMatches.clear();
    this.#options.pods[Symbol.dispose]();
    this.#wake.abort();
  }

  /** Takes a message of relay. */
  receive(message: Exclude<RelayMessage, { tell: "hello" }>, relay: RelayChannel): void {
    if (relay !== this.#relay) return;
    switch (message.tell) {
      case "proven":
        this.#proven = new Set(message.rules);
        return this.#wake.abort();
      case "refused":
        return this.#options.pods.refused(message.uid, relay);
      case "limited":
        this.#limited = new Map(message.pods.map(({ uid, limit }) => [uid, limit]));
        return this.#wake.abort();
      case "request-sockets":
        return this.#giveSockets(message.uid, message.family, message.count, relay);
      case "classify":
        return void relay.send({ tell: "classified", id: message.id, kubelet: this.#isKubelet(message) });
    }
  }

  /** Steers no new connections; open ones stay with relay. */
  stopSteering(): void {
    this.#options.pods.stopSteering();
  }

  /** Runs until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let again = LATEST_MS;
      const start = performance.now();
      try {
        again = this.#reconcile();
      } catch (error) {
        this.#options.log("warn", "can't bring the pods to what is planned", { error });
      }
      const took = performance.now() - start;
      await sleep(again, AbortSignal.any([signal, this.#wake.signal]));
      // Even a flood of changes takes a fifth of the time at most.
      if (this.#wake.signal.aborted) await sleep(Math.max(COLLECT_MS, 4 * took), signal);
    }
  }

  /** Removes this node's entries from every rule's status, before the agent ends. */
  async withdraw(): Promise<void> {
    const { view, node, log } = this.#options;
    await Promise.all(
      view.rules().map(async (watched) => {
        const body = statusToApply(watched, node, []);
        if (body) {
          await view.applyStatus(watched, body).catch((error) =>
            log("warn", "can't remove this node from a rule's status", { error })
          );
        }
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    this.#options.pods[Symbol.dispose]();
  }

  /** Runs one round; returns the milliseconds until the next one is due. */
  #reconcile(): number {
    const { view, pods, node } = this.#options;
    this.#clock.observe(view.sessions().map(({ session }) => session));
    const keys = new Set(view.sessions().map(({ session }) => session.publicKey));
    const planned = plan({
      rules: view.rules().map(({ rule }) => rule).filter(({ namespace }) => view.known(namespace)),
      sessions: this.#clock.alive(),
      services: view.services(),
      pods: view.pods(),
      denied: view.denied(),
      fingerprint: (key) => this.#fingerprint(key),
    });
    for (const key of this.#fingerprints.keys()) if (!keys.has(key)) this.#fingerprints.delete(key);
    let waits = false;
    let next = LATEST_MS;
    if (this.#relay) {
      const toldAll = this.#tellRules(planned, this.#relay);
      this.#tellHost(this.#relay);
      waits = pods.reconcile(planned.pods, this.#relay, (rule) => this.#proven.has(rule));
      if (!toldAll) next = PORTION_MS;
    }
    this.#writeStatus(statusEntries(planned, node, (uid, port, rule) => this.#stateOf(uid, port, rule)));
    this.#deleteSessions();
    return Math.min(waits ? SANDBOX_MS : LATEST_MS, next, (this.#clock.untilNextExpiry() ?? Infinity) + 1);
  }

  #fingerprint(key: string): string | undefined {
    if (!this.#fingerprints.has(key)) this.#fingerprints.set(key, fingerprint(key));
    return this.#fingerprints.get(key);
  }

  #stateOf(uid: string, port: PlannedPort, rule: InterceptRule): PortState {
    const waiting = (reason: string): PortState => ({ state: "waiting", reason });
    if (!this.#relay) return waiting("the node agent's relay is not connected");
    const taken = this.#options.pods.get(uid);
    const refusal = this.#options.pods.trouble(uid);
    if (!taken && refusal?.lasts) return { state: "refused", reason: this.#onNode(refusal.reason) };
    if (!taken) return waiting(refusal?.reason ?? "the pod is about to be taken over");
    const kept = taken.kept(port);
    if (kept !== undefined) return { state: "refused", reason: kept };
    if (taken.steered.has(portName(port)) && this.#proven.has(rule.uid)) {
      const limit = this.#limited.get(uid);
      const reason = this.#callers.get(rule.uid)?.missing ?? (limit && limitMet[limit]);
      return { state: "ready", ...(reason !== undefined && { reason }) };
    }
    return waiting(`no tunnel of ${rule.user}'s session to this node is open yet`);
  }

  /** What is so on this node alone, for people who see the pods of all. */
  #onNode(reason: string): string {
    return `node ${this.#options.node} can't steer connections: ${reason}`.slice(0, 1024);
  }

  /** Tells relay the rules that concern this node, for the key proofs. False when a part is left for the next round. */
  #tellRules(planned: NodePlan, relay: RelayChannel): boolean {
    const sessions = this.#clock.alive();
    const rules = new Map<string, RelayedRule>();
    const matched = new Map<string, MatchedRule>();
    const all = [...planned.pods.values()].flatMap(({ ports }) => ports.flatMap(rulesOf));
    const callersOf = new Map<string, FoundCallers>();
    const [followed, pods] = [this.#options.view.callerNamespaces(), this.#options.view.callers()];
    for (const rule of new Set(all)) {
      const session = sessions.get(rule.session.uid);
      if (!session) continue;
      const { uid, port, match, mirror } = rule;
      rules.set(uid, { uid, port, session: session.uid, publicKey: session.publicKey });
      if (!isPersonal(rule)) continue;
      const callers = findCallers(rule, followed, pods);
      if (callers) callersOf.set(uid, callers);
      matched.set(uid, {
        rule: uid,
        ...(match && { match }),
        ...(mirror && { mirror }),
        ...(callers && { callers: callers.addresses }),
      });
    }
    this.#callers = callersOf;
    const toldAll = this.#toldMatches.tell(matched.values(), relay);
    const list = [...rules.values()].filter(({ uid }) => !matched.has(uid) || this.#toldMatches.has(uid))
      .sort((a, b) => a.uid < b.uid ? -1 : 1);
    const told = JSON.stringify(list);
    if (told !== this.#toldRules && relay.send({ tell: "rules", rules: list })) this.#toldRules = told;
    return toldAll;
  }

  #tellHost(relay: RelayChannel): void {
    const now = performance.now();
    if (now - this.#hostAt < HOST_ADDRESSES_MS && this.#toldHost !== "") return;
    this.#hostAt = now;
    const found = this.#options.probes.addresses();
    const addresses = found.length > MOST_HOST_ADDRESSES ? "any" : found;
    const told = JSON.stringify(addresses);
    if (told !== this.#toldHost && relay.send({ tell: "host", addresses })) this.#toldHost = told;
  }

  #isKubelet({ caller, destination }: { caller: string; destination: string }): boolean {
    const { probes, log } = this.#options;
    try {
      return probes.isKubelet(caller, destination);
    } catch (error) {
      log("warn", "can't tell whether a connection is a probe: it goes to the pod", { error });
      return true;
    }
  }

  #giveSockets(uid: string, family: 4 | 6, count: number, relay: RelayChannel): void {
    const taken = this.#options.pods.get(uid);
    if (!taken) return;
    try {
      const fds = taken.sockets(family, count);
      relay.send({ tell: "sockets", uid, family }, fds);
      for (const fd of fds) closeDescriptor(fd);
    } catch (error) {
      this.#options.log("warn", "can't make sockets in a pod", { pod: taken.pod.name, error });
    }
  }

  #writeStatus(mine: ReturnType<typeof statusEntries>): void {
    const { view, node, log } = this.#options;
    const now = performance.now();
    const rules = view.rules();
    const there = new Set(rules.map(({ rule }) => rule.uid));
    for (const uid of this.#writing.keys()) if (!there.has(uid)) this.#writing.delete(uid);
    for (const watched of rules) {
      const { uid, name, deleting } = watched.rule;
      const body = statusToApply(watched, node, mine.get(uid) ?? []);
      if (!body || deleting) continue;
      const text = JSON.stringify(body);
      const before = this.#writing.get(uid);
      if (before && before.body === text && now - before.at < APPLIED_MS) continue;
      this.#writing.set(uid, { body: text, at: now });
      view.applyStatus(watched, body).catch((error) => {
        log("warn", "can't write a rule's status", { rule: name, error });
      });
    }
  }

  /** Deletes expired sessions; every node tries, and the first one succeeds. */
  #deleteSessions(): void {
    const { view, log } = this.#options;
    const expired = this.#clock.expired();
    const now = performance.now();
    for (const uid of this.#deleting.keys()) if (!expired.has(uid)) this.#deleting.delete(uid);
    for (const watched of view.sessions()) {
      const { uid, name, user } = watched.session;
      if (!expired.has(uid) || now - (this.#deleting.get(uid) ?? -Infinity) < APPLIED_MS) continue;
      this.#deleting.set(uid, now);
      view.deleteSession(watched).then(
        (deleted) => {
          if (deleted) log("info", "deleted a session that was not renewed in time", { session: name, user });
        },
        (error) => log("warn", "can't delete an expired session", { session: name, error }),
      );
    }
  }
}

/** Characters of base64, and bytes, of an Ed25519 key's SubjectPublicKeyInfo (RFC 8410). */
const KEY = { characters: 60, bytes: 44 };

/**
 * SHA-256 of a session's public key (the SubjectPublicKeyInfo's bytes), hex; undefined for anything but an Ed25519 key, so
 * that no rule can have it. With longer keys the rules of a node would not fit in a message to relay.
 */
export function fingerprint(publicKey: string): string | undefined {
  if (publicKey.length !== KEY.characters) return undefined; // base64 may contain any number of spaces
  try {
    const bytes = Uint8Array.fromBase64(publicKey);
    return bytes.length === KEY.bytes ? createHash("sha256").update(bytes).digest("hex") : undefined;
  } catch {
    return undefined; // not valid base64
  }
}
