/**
 * The code of the agents' pods as one block of bytes: gzip of a line of JSON (names and lengths) and the files. Its SHA-256
 * is in the pod spec, and is checked before the block is unpacked.
 */

/** Bytes in one ConfigMap. In base64 it is below 180 KiB, so that `kubectl apply` can store it in its annotation. */
export const CHUNK = 128 * 1024;
/** Bytes of a packed payload: 16 ConfigMaps. */
export const LARGEST_PAYLOAD = 2 * 1024 * 1024;

/** The files of a payload, by name. */
export type Files = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;

export interface Payload {
  /** "sha256:HEX" of `packed`. */
  readonly digest: string;
  readonly packed: Uint8Array<ArrayBuffer>;
}

/** The name of the agents' code in each payload. */
export const AGENT_FILE = "agent.js";

/** An architecture by the name of `uname -m` and Deno.build.arch. */
export type Architecture = "x86_64" | "aarch64";
/** The names of the BPF object and libbpf in the node agent's payload. */
export const INTERCEPT_FILE = "intercept.bpf.o";
export const libbpfFile = (architecture: Architecture): string => `libbpf.${architecture}.so`;

/**
 * Packs files. The same files give the same bytes.
 * @throws {RangeError} when they are too large.
 */
export async function pack(files: Files): Promise<Payload> {
  const names = Object.keys(files).sort();
  const index = names.map((name) => [name, files[name]?.length ?? 0]);
  const parts = [JSON.stringify(index) + "\n", ...names.flatMap((name) => files[name] ?? [])];
  const zipped = new Blob(parts).stream().pipeThrough(new CompressionStream("gzip"));
  return await payloadOf(new Uint8Array(await new Response(zipped).arrayBuffer()));
}

/**
 * The payload of packed bytes.
 * @throws {RangeError} when it is too large.
 */
export async function payloadOf(packed: Uint8Array<ArrayBuffer>): Promise<Payload> {
  if (packed.length > LARGEST_PAYLOAD) {
    throw new RangeError(
      `the agents' payload has ${packed.length} bytes: expected at most ${LARGEST_PAYLOAD}`,
    );
  }
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", packed));
  return { digest: `sha256:${hash.toHex()}`, packed };
}

/**
 * The names of a payload's files.
 * @throws {TypeError} when it isn't one
 */
export async function fileNames({ packed }: Payload): Promise<string[]> {
  const decoder = new TextDecoder();
  let line = "";
  for await (const piece of new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))) {
    line += decoder.decode(piece, { stream: true });
    const end = line.indexOf("\n");
    if (end < 0) continue;
    const index: unknown = JSON.parse(line.slice(0, end));
    if (Array.isArray(index)) return index.map((entry) => String(Array.isArray(entry) ? entry[0] : entry));
    break;
  }
  throw new TypeError("not a payload: expected the list of its files first");
}

/** Splits a payload into pieces for one ConfigMap each. */
export function chunksOf({ packed }: Payload): Uint8Array<ArrayBuffer>[] {
  const count = Math.max(1, Math.ceil(packed.length / CHUNK));
  return Array.from({ length: count }, (_, i) => packed.subarray(i * CHUNK, (i + 1) * CHUNK));
}
