/**
 * The two kinds of objects by which laptops and node agents agree on intercepts: `InterceptSession` (a daemon's presence in
 * a namespace) and `InterceptRule` (a Service port whose connections go to that session). The laptop writes them with the
 * developer's own rights; attach reads them, and writes the rules' status. Schemas: install/manifests/crds.yaml.
 */

import type { ProtocolVersions } from "./hello.ts";
import { type Match, match, type Taken } from "./match.ts";
import { integer, list, NotValid, object, oneOf, optional, text, value } from "./schema.ts";

/**
 * Versions of what these objects say. Another one when a rule can say something that node agents of before don't know: the
 * API server drops a field that its CRD hasn't, and a rule must not take more than its user asked for.
 */
export const ruleVersions: ProtocolVersions = { newest: 4, oldest: 1 };

/** The version of rules since which they can have a match. */
const PERSONAL_RULES = 2;
/** The version of rules since which they can mirror, and a match can have `grpc`. */
const MIRROR_RULES = 3;
/** The version of rules since which they can be for a UDP port. */
const UDP_RULES = 4;

/** The least version of rules that a node agent has to know for one that takes this; undefined: any. */
export function neededRules({ match, mirror, protocol }: Taken): number | undefined {
  if (protocol !== undefined) return UDP_RULES;
  if (mirror || match?.grpc !== undefined) return MIRROR_RULES;
  return match === undefined ? undefined : PERSONAL_RULES;
}

/** Whether a rule takes something of its own, so that several share a port: one that has a match, or mirrors. */
export function isPersonal({ match, mirror }: Taken): boolean {
  return match !== undefined || mirror === true;
}

export const GROUP = "pmz.dev";
export const VERSION = "v1alpha1";
export const SESSION_PLURAL = "interceptsessions";
export const RULE_PLURAL = "interceptrules";

const kind = { group: GROUP, version: VERSION, namespaced: true } as const;
/** The kinds as REST paths name them (kube/client/resources.ts). */
export const sessionResource = { ...kind, plural: SESSION_PLURAL } as const;
export const ruleResource = { ...kind, plural: RULE_PLURAL } as const;

/** A daemon's presence in a namespace. */
export interface InterceptSession {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The public key: SubjectPublicKeyInfo of an Ed25519 key, base64. Immutable. */
  readonly publicKey: string;
  /** The user. Immutable; only claimed unless an admission policy ties it to the requester. */
  readonly user: string;
  /** The laptop's name, for people. Immutable. */
  readonly machine: string;
  /** Seconds without a renewal until it expires, by the agent's own clock since it saw the last change. */
  readonly durationSeconds: number;
  /** Changes with each renewal. It is only compared for equality, so clocks need not agree. */
  readonly renewal: string;
}

/** A Service port whose connections or datagrams go to a session, or those that match. Everything but the status is immutable. */
export interface InterceptRule {
  readonly namespace: string;
  /**
   * "SERVICE-PORT" for a whole-service rule, or "SERVICE-PORT-udp", so that creating it twice fails; "SERVICE-PORT-SUFFIX" for a
   * personal one.
   */
  readonly name: string;
  readonly uid: string;
  readonly service: string;
  /** The Service's port number. */
  readonly port: number;
  /** The port is UDP's; absent: TCP's. */
  readonly protocol?: "UDP";
  readonly session: { readonly name: string; readonly uid: string };
  /** SHA-256 of the session's public key (the SubjectPublicKeyInfo's bytes), hex; of a personal rule or for UDP, see ruleFingerprint. */
  readonly keyFingerprint: string;
  readonly user: string;
  /** What a personal rule takes; undefined for a whole-service rule, and for one that mirrors all connections. */
  readonly match?: Match;
  /** The pods answer, and the laptop gets a copy of what is taken. */
  readonly mirror?: true;
  /** ISO time of creation: of two rules for one port the older wins. */
  readonly created: string;
  /** Set while the rule is being deleted. */
  readonly deleting: boolean;
  readonly status: InterceptRuleStatus;
}

/** Written by attach with server-side apply: each node owns its entries of `pods`. */
export interface InterceptRuleStatus {
  readonly pods: readonly InterceptedPod[];
}

/** The state of a rule in one pod. */
export interface InterceptedPod {
  readonly node: string;
  readonly pod: string;
  /** The pod's UID: the key of the list. */
  readonly uid: string;
  /** `ready`: connections are steered; `waiting`: not yet, so the pod answers; `refused`: never, see `reason`. */
  readonly state: "ready" | "waiting" | "refused";
  /** Why it is not ready, or which limit leaves something out, for people. */
  readonly reason?: string;
}

/** Name of the rule object: for a whole Service port of TCP, or with the suffix that ruleSuffix of personal_rule.ts makes. */
export function ruleName(service: string, port: number, suffix?: string): string {
  return suffix === undefined ? `${service}-${port}` : `${service}-${port}-${suffix}`;
}

const metadata = object({
  namespace: text(63),
  name: text(253),
  uid: text(36),
  creationTimestamp: optional(text(64)),
  deletionTimestamp: optional(text(64)),
});

const sessionObject = object({
  metadata,
  spec: object({
    publicKey: text(512),
    user: text(256),
    machine: text(256),
    durationSeconds: integer("duration", 5, 3_600),
    renewal: text(64),
  }),
});

const interceptedPod = object({
  node: text(253),
  pod: text(253),
  uid: text(36),
  state: oneOf("state", ["ready", "waiting", "refused"]),
  reason: optional(text(1_024)),
});

const isTrue = value("mirror", "true", (raw) => raw === true ? raw : undefined);
const isUdp = value("protocol", "UDP", (raw) => raw === "UDP" ? raw : undefined);

const ruleObject = object({
  metadata,
  spec: object({
    service: text(63),
    port: integer("port", 1, 65_535),
    protocol: optional(isUdp),
    session: object({ name: text(253), uid: text(36) }),
    keyFingerprint: text(64),
    user: text(256),
    match: optional(match),
    mirror: optional(isTrue),
  }),
  status: optional(object({ pods: optional(list(interceptedPod, 10_000)) })),
});

/**
 * Parses a session of the API server.
 * @throws {NotValid} when it isn't valid; the message names the kind and the field.
 */
export function parseSession(raw: unknown): InterceptSession {
  const { metadata: { namespace, name, uid }, spec } = sessionObject.parse(raw, "InterceptSession");
  return { namespace, name, uid, ...spec };
}

/**
 * Parses a rule of the API server.
 * @throws {NotValid} when it isn't valid; the message names the kind and the field.
 */
export function parseRule(raw: unknown): InterceptRule {
  const { metadata, spec, status } = ruleObject.parse(raw, "InterceptRule");
  const { namespace, name, uid, creationTimestamp, deletionTimestamp } = metadata;
  if (creationTimestamp === undefined) {
    throw new NotValid("InterceptRule.metadata.creationTimestamp is missing: expected an ISO time");
  }
  return {
    namespace,
    name,
    uid,
    ...spec,
    created: creationTimestamp,
    deleting: deletionTimestamp !== undefined,
    status: { pods: status?.pods ?? [] },
  };
}
