/**
 * The two kinds of objects by which laptops and node agents agree on intercepts: `InterceptSession` (a daemon's presence in
 * a namespace) and `InterceptRule` (a Service port whose connections go to that session). The laptop writes them with the
 * developer's own rights; attach reads them, and writes the rules' status. Schemas: install/manifests/crds.yaml.
 */

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

/** A Service port whose connections go to a session. Everything but the status is immutable. */
export interface InterceptRule {
  readonly namespace: string;
  /** "SERVICE-PORT" for a whole-service rule, so that creating it twice fails. */
  readonly name: string;
  readonly uid: string;
  readonly service: string;
  /** The Service's port number. */
  readonly port: number;
  readonly session: { readonly name: string; readonly uid: string };
  /** SHA-256 of the session's public key (the SubjectPublicKeyInfo's bytes), hex. */
  readonly keyFingerprint: string;
  readonly user: string;
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
  /** Why it is not ready, for people. */
  readonly reason?: string;
}

/** Name of the rule object for a whole Service port. */
export function ruleName(service: string, port: number): string {
  return `${service}-${port}`;
}

/**
 * Parses a session of the API server.
 * @throws {TypeError} when it isn't valid; the message names the object and the field.
 */
export function parseSession(raw: unknown): InterceptSession {
  const object = fields(raw, "InterceptSession");
  const spec = object.spec;
  return {
    ...object.metadata,
    publicKey: text(spec, "publicKey", 512),
    user: text(spec, "user", 256),
    machine: text(spec, "machine", 256),
    durationSeconds: whole(spec, "durationSeconds", 5, 3600),
    renewal: text(spec, "renewal", 64),
  };
}

/**
 * Parses a rule of the API server.
 * @throws {TypeError} when it isn't valid; the message names the object and the field.
 */
export function parseRule(raw: unknown): InterceptRule {
  const object = fields(raw, "InterceptRule");
  const spec = object.spec;
  const session = record(spec.session, "spec.session");
  const metadata = record((raw as Record<string, unknown>).metadata, "metadata");
  return {
    ...object.metadata,
    service: text(spec, "service", 63),
    port: whole(spec, "port", 1, 65535),
    session: { name: text(session, "name", 253), uid: text(session, "uid", 36) },
    keyFingerprint: text(spec, "keyFingerprint", 64),
    user: text(spec, "user", 256),
    created: text(metadata, "creationTimestamp", 64),
    deleting: metadata.deletionTimestamp !== undefined,
    status: parseStatus((raw as Record<string, unknown>).status),
  };
}

function parseStatus(raw: unknown): InterceptRuleStatus {
  const pods = raw === undefined ? [] : record(raw, "status").pods ?? [];
  if (!Array.isArray(pods) || pods.length > 10_000) {
    throw new TypeError("status.pods is no list, or too long");
  }
  return {
    pods: pods.map((entry) => {
      const pod = record(entry, "status.pods[]");
      const state = text(pod, "state", 16);
      if (state !== "ready" && state !== "waiting" && state !== "refused") {
        throw new TypeError(`status.pods[].state is "${state}"`);
      }
      const reason = pod.reason === undefined ? {} : { reason: text(pod, "reason", 1024) };
      return {
        node: text(pod, "node", 253),
        pod: text(pod, "pod", 253),
        uid: text(pod, "uid", 36),
        state,
        ...reason,
      };
    }),
  };
}

function fields(raw: unknown, kind: string) {
  const object = record(raw, kind);
  const metadata = record(object.metadata, "metadata");
  return {
    metadata: {
      namespace: text(metadata, "namespace", 63),
      name: text(metadata, "name", 253),
      uid: text(metadata, "uid", 36),
    },
    spec: record(object.spec, "spec"),
  };
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} is no object`);
  }
  return value as Record<string, unknown>;
}

function text(from: Record<string, unknown>, field: string, longest: number): string {
  const value = from[field];
  if (typeof value !== "string" || value.length === 0 || value.length > longest) {
    throw new TypeError(`${field} is no text of 1 to ${longest} characters`);
  }
  return value;
}

function whole(from: Record<string, unknown>, field: string, least: number, most: number): number {
  const value = from[field];
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new TypeError(`${field} is no whole number from ${least} to ${most}`);
  }
  return value as number;
}
