/**
 * What the agents' pods run, as one block of bytes: gzip of a line of JSON (names and lengths) and the files after it.
 * Its SHA-256 stands in the pod spec, and is checked before anything in it is so much as unpacked.
 */

/** Bytes of a ConfigMap: in base64, with its metadata, below 180 KiB, so that `kubectl apply` can keep its annotation of it. */
export const CHUNK = 128 * 1024;
/** Of the packed payload; 16 ConfigMaps. */
export const LARGEST_PAYLOAD = 2 * 1024 * 1024;

/** Files of a payload by their names. */
export type Files = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

export interface Payload {
  /** "sha256:HEX" of `packed`. */
  readonly digest: string;
  readonly packed: Uint8Array<ArrayBuffer>;
}

/** The entry of the agents' code in each payload. */
export const AGENT_FILE = "agent.js";

/** As `uname -m` and Deno.build.arch have it. */
export type Architecture = "x86_64" | "aarch64";
/** The BPF object and libbpf in the node agent's payload. */
export const INTERCEPT_FILE = "intercept.bpf.o";
export const libbpfFile = (architecture: Architecture): string => `libbpf.${architecture}.so`;

/**
 * Packs files: the same files give the same bytes.
 * @throws RangeError when they are too large.
 */
export async function pack(files: Files): Promise<Payload> {
  const names = Object.keys(files).sort();
  const index = names.map((name) => [name, files[name]?.length ?? 0]);
  const parts = [JSON.stringify(index) + "\n", ...names.flatMap((name) => files[name] ?? [])];
  const zipped = new Blob(parts).stream().pipeThrough(new CompressionStream("gzip"));
  return await payloadOf(new Uint8Array(await new Response(zipped).arrayBuffer()));
}

/**
 * A payload that was packed before.
 * @throws RangeError when it's too large.
 */
export async function payloadOf(packed: Uint8Array<ArrayBuffer>): Promise<Payload> {
  if (packed.length > LARGEST_PAYLOAD) {
    throw new RangeError(`the agents' payload has ${packed.length} bytes, more than ${LARGEST_PAYLOAD}`);
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", packed));
  return { digest: `sha256:${hash.toHex()}`, packed };
}

/** The payload in pieces that fit into a ConfigMap each. */
export function chunksOf({ packed }: Payload): Uint8Array<ArrayBuffer>[] {
  const count = Math.max(1, Math.ceil(packed.length / CHUNK));
  return Array.from({ length: count }, (_, i) => packed.subarray(i * CHUNK, (i + 1) * CHUNK));
}
