import { type Challenge, parseProof, type Proof, signedBytes } from "../../wire/key_proof.ts";

/** What a daemon's answer to a challenge is checked against. */
export interface Claim {
  /** SHA-256 of the cluster's CA, hex: attach said it. */
  readonly cluster: string;
  readonly challenge: Challenge;
  /** By session UID: the public key of each session that has rules here (SubjectPublicKeyInfo, base64). */
  readonly keys: ReadonlyMap<string, string>;
}

export type Verdict =
  | { readonly kind: "proven"; readonly session: string }
  /** It may be right, but nothing is known (yet) of the session that it names. */
  | { readonly kind: "unknown"; readonly session: string }
  | { readonly kind: "false"; readonly reason: string };

/** Judges the header with which a daemon answered a challenge. */
export async function judge(header: string | undefined, claim: Claim): Promise<Verdict> {
  const proof = header === undefined ? undefined : parseProof(header);
  if (!proof) return { kind: "false", reason: "the answer holds no proof" };
  const key = claim.keys.get(proof.session);
  if (key === undefined) return { kind: "unknown", session: proof.session };
  if (await verify(proof, key, claim)) return { kind: "proven", session: proof.session };
  return { kind: "false", reason: `the signature isn't that of session ${proof.session}` };
}

async function verify(proof: Omit<Proof, "hello">, key: string, claim: Claim): Promise<boolean> {
  try {
    const { cluster, challenge } = claim;
    const spki = Uint8Array.fromBase64(key);
    const publicKey = await crypto.subtle.importKey("spki", spki, "Ed25519", false, ["verify"]);
    const signature = Uint8Array.fromBase64(proof.signature);
    const bytes = signedBytes({ cluster, challenge, session: proof.session, nonce: proof.nonce });
    return await crypto.subtle.verify("Ed25519", publicKey, signature, bytes);
  } catch {
    return false; // no base64, no Ed25519 key: a proof that can't be checked is none
  }
}
