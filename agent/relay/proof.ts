import { type Challenge, parseProof, type Proof, type Signed, signedBytes } from "../../wire/key_proof.ts";

/** What names the cluster, as attach told it. */
export interface ClusterNames {
  /** UID of namespace kube-system. */
  readonly uid: string;
  /** SHA-256 of its CA, hex. */
  readonly caHash: string;
}

/** The name that proofs of a version have. */
export function nameOf(cluster: ClusterNames, version: number): string {
  return version === 1 ? cluster.caHash : cluster.uid;
}

/** What relay knows, and checks a daemon's answer to a challenge against. */
export interface Claim extends Pick<Signed, "version" | "cluster"> {
  readonly challenge: Challenge;
  /** The public key of each session that has rules here, by the session's UID (SubjectPublicKeyInfo, base64). */
  readonly keys: ReadonlyMap<string, string>;
}

export type ProofVerdict =
  | { readonly kind: "proven"; readonly session: string }
  /** It may be valid, but the session that it names is not known (yet). */
  | { readonly kind: "unknown"; readonly session: string }
  | { readonly kind: "false"; readonly reason: string };

/** Verifies the header with which a daemon answered a challenge. */
export async function verifyProof(header: string | undefined, claim: Claim): Promise<ProofVerdict> {
  const proof = header === undefined ? undefined : parseProof(header);
  if (!proof) return { kind: "false", reason: "the answer contains no valid proof" };
  const key = claim.keys.get(proof.session);
  if (key === undefined) return { kind: "unknown", session: proof.session };
  if (await isSigned(proof, key, claim)) return { kind: "proven", session: proof.session };
  return { kind: "false", reason: `the signature is not by the key of session ${proof.session}` };
}

async function isSigned(proof: Omit<Proof, "hello">, key: string, claim: Claim): Promise<boolean> {
  try {
    const { version, cluster, challenge } = claim;
    const spki = Uint8Array.fromBase64(key);
    const publicKey = await crypto.subtle.importKey("spki", spki, "Ed25519", false, ["verify"]);
    const signature = Uint8Array.fromBase64(proof.signature);
    const bytes = signedBytes({ version, cluster, challenge, session: proof.session, nonce: proof.nonce });
    return await crypto.subtle.verify("Ed25519", publicKey, signature, bytes);
  } catch {
    return false; // not valid base64, or not an Ed25519 key: what can't be verified proves nothing
  }
}
