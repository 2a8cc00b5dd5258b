/**
 * How a daemon proves to relay that a tunnel is its session's. The API server's port-forward says nothing of who
 * dialled, so relay asks: on each new tunnel, and again whenever it learns of a rule of that session, it opens a
 * stream with `:protocol` "pmz-proof" whose header carries a Challenge; the daemon answers 200 with a Proof, or 403.
 *
 * What is signed names everything that could be confused with something else (protocol, cluster, agent's pod, node,
 * session, rules, both nonces), so neither a replay nor a relay of it to another agent or cluster holds.
 */
import type { Hello } from "./hello.ts";

/** Header of the stream that asks: a Challenge as JSON. */
export const CHALLENGE_HEADER = "pmz-challenge";
/** Header of the answer: a Proof as JSON. */
export const PROOF_HEADER = "pmz-proof";

/** What relay asks. */
export interface Challenge {
  readonly hello: Hello;
  /** UID of the agent's own pod. */
  readonly pod: string;
  readonly node: string;
  /** 32 random bytes, hex. */
  readonly nonce: string;
  /** The rules that the tunnel is to carry; empty in the first challenge, by which relay learns the session. */
  readonly rules: readonly string[];
}

/** What the daemon answers. */
export interface Proof {
  readonly hello: Hello;
  /** UID of the daemon's InterceptSession. */
  readonly session: string;
  /** 32 random bytes, hex. */
  readonly nonce: string;
  /** Ed25519 over `signed(...)`, base64. */
  readonly signature: string;
}

/** Everything that is signed. `cluster` is the SHA-256 of the cluster's CA certificate (DER), hex: both sides know it by themselves. */
export interface Signed {
  readonly cluster: string;
  readonly challenge: Challenge;
  readonly session: string;
  readonly nonce: string;
}

/** The bytes that are signed: fixed order, each part with its length, so that no two different inputs give the same bytes. */
export function signedBytes(of: Signed): Uint8Array<ArrayBuffer> {
  const parts = [
    "pmz key proof 1",
    of.cluster,
    of.challenge.pod,
    of.challenge.node,
    of.challenge.nonce,
    of.session,
    of.nonce,
    ...[...of.challenge.rules].sort(),
  ];
  return new TextEncoder().encode(parts.map((part) => `${part.length}:${part}`).join("\n"));
}

/** Reads a challenge that came over a tunnel; undefined when it isn't one. The hello is checked by parseHello. */
export function parseChallenge(json: string): (Omit<Challenge, "hello"> & { hello: unknown }) | undefined {
  const raw = object(json);
  if (!raw || !isId(raw.pod) || !isNode(raw.node) || !isNonce(raw.nonce)) return undefined;
  const rules = raw.rules;
  if (!Array.isArray(rules) || rules.length > 500 || !rules.every(isId)) return undefined;
  return { hello: raw.hello, pod: raw.pod, node: raw.node, nonce: raw.nonce, rules };
}

/** Reads a proof that came over a tunnel; undefined when it isn't one. */
export function parseProof(json: string): (Omit<Proof, "hello"> & { hello: unknown }) | undefined {
  const raw = object(json);
  if (!raw || !isId(raw.session) || !isNonce(raw.nonce)) return undefined;
  if (typeof raw.signature !== "string" || raw.signature.length > 128) return undefined;
  return { hello: raw.hello, session: raw.session, nonce: raw.nonce, signature: raw.signature };
}

function object(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = json.length <= 32_768 ? JSON.parse(json) : undefined;
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}

const isId = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f-]{36}$/.test(value);
const isNonce = (value: unknown): value is string =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
const isNode = (value: unknown): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= 253;
