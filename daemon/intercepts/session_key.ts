import { type Proof, type Signed, signedBytes } from "../../wire/key_proof.ts";
import type { Hello } from "../../wire/hello.ts";

/** A session's key pair: Ed25519, made for this run of the daemon. The private key is not extractable and never on disk. */
export class SessionKey {
  readonly #private: CryptoKey;
  /** SubjectPublicKeyInfo, base64. */
  readonly publicKey: string;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly fingerprint: string;

  private constructor(key: CryptoKey, publicKey: string, fingerprint: string) {
    this.#private = key;
    this.publicKey = publicKey;
    this.fingerprint = fingerprint;
  }

  static async create(): Promise<SessionKey> {
    const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    if (!("privateKey" in pair)) throw new TypeError("Ed25519 keys come in pairs");
    const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", spki));
    return new SessionKey(pair.privateKey, base64(spki), hex(digest));
  }

  /** Answers a challenge. The caller has checked that it comes from the agent that was dialled. */
  async prove({ hello, ...of }: Omit<Signed, "nonce"> & { hello: Hello }): Promise<Proof> {
    const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
    const bytes = signedBytes({ ...of, nonce });
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", this.#private, bytes));
    return { hello, session: of.session, nonce, signature: base64(signature) };
  }
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
