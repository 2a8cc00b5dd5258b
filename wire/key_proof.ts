/**
 * The key proof: a daemon proves to relay that a tunnel belongs to its session. The API server's port-forward doesn't say
 * who dialled. So on each new tunnel, and again for each new rule of its session, relay opens a stream with `:protocol`
 * "pmz-proof" and a Challenge in a header; the daemon answers 200 with a Proof, or 403.
 *
 * The signature covers everything that an attacker could exchange (protocol, cluster, agent's pod, node, session, rules,
 * both nonces), so a proof is not valid again, nor for another agent or cluster.
 *
 * The cluster is named by the UID of namespace kube-system, which each cluster has and keeps: a laptop may reach the API
 * server by a proxy with a certificate of its own, and a CA may be rotated. A laptop that may not read that namespace signs
 * the UID that the agent says. A false one wins nothing: the key is the session's alone, so the proof is valid only where
 * somebody has created a session with that very key, and then they may create one with their own.
 */
import type { Hello } from "./hello.ts";
import { list, matching, NotValid, object, optional, type Schema, text, unknown } from "./schema.ts";

/** Header of relay's request: a Challenge as JSON. */
export const CHALLENGE_HEADER = "pmz-challenge";
/** Header of the daemon's answer: a Proof as JSON. */
export const PROOF_HEADER = "pmz-proof";

/** relay's challenge. */
export interface Challenge {
  readonly hello: Hello;
  /** UID of the agent's own pod. */
  readonly pod: string;
  readonly node: string;
  /** 32 random bytes, hex. */
  readonly nonce: string;
  /** The rules that the tunnel is to carry; empty in the first challenge, which asks for the session. */
  readonly rules: readonly string[];
  /** UID of the cluster's namespace kube-system; from version 2 of the protocol on. */
  readonly cluster?: string;
}

/** The daemon's answer. */
export interface Proof {
  readonly hello: Hello;
  /** UID of the daemon's InterceptSession. */
  readonly session: string;
  /** 32 random bytes, hex. */
  readonly nonce: string;
  /** Ed25519 over `signed(...)`, base64. */
  readonly signature: string;
}

/** The contents of the signature. */
export interface Signed {
  /** The version of the protocol that both ends speak. */
  readonly version: number;
  /** UID of namespace kube-system; with version 1, SHA-256 of the cluster's CA certificate (DER), hex. */
  readonly cluster: string;
  readonly challenge: Challenge;
  readonly session: string;
  readonly nonce: string;
}

/** The bytes that are signed: in fixed order, each part with its length, so that different inputs give different bytes. */
export function signedBytes(of: Signed): Uint8Array<ArrayBuffer> {
  const parts = [
    `pmz key proof ${of.version}`,
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

/** Characters of a challenge or a proof. */
const LONGEST = 32_768;

const uid = matching("UID", "36 characters of 0-9, a-f and -", /^[0-9a-f-]{36}$/);
const nonce = matching("nonce", "64 hexadecimal digits", /^[0-9a-f]{64}$/);
const challenge = object({
  hello: unknown(),
  pod: uid,
  node: text(253),
  nonce,
  rules: list(uid, 500),
  cluster: optional(uid),
});
const proof = object({ hello: unknown(), session: uid, nonce, signature: text(128) });

/** Parses a challenge; undefined when it isn't valid. Its hello is still to be checked by parseHello. */
export function parseChallenge(json: string): (Omit<Challenge, "hello"> & { hello: unknown }) | undefined {
  const parsed = parse(challenge, json);
  return parsed && { ...parsed, hello: parsed.hello };
}

/** Parses a proof; undefined when it isn't valid. Its hello is still to be checked by parseHello. */
export function parseProof(json: string): (Omit<Proof, "hello"> & { hello: unknown }) | undefined {
  const parsed = parse(proof, json);
  return parsed && { ...parsed, hello: parsed.hello };
}

function parse<T>(schema: Schema<T>, json: string): T | undefined {
  if (json.length > LONGEST) return undefined;
  try {
    return schema.parse(JSON.parse(json), "");
  } catch (error) {
    if (error instanceof NotValid || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
