/** libbpf and the BPF objects as bytes. They are read from the program's own folder, which only its owner can write, never from a path given from outside. */

/** Names of BPF objects: bpf/NAME.bpf.o. */
export type BpfObjectName = "capture" | "names" | "intercept";

/** @param base the project's folder, or the one that the built file has embedded: `new URL(".", import.meta.url)` of main.ts */
export function bpfObject(base: URL, name: BpfObjectName): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`bpf/${name}.bpf.o`, base));
}

/**
 * libbpf with libelf and zlib inside, as the build makes it; in a checkout that has built none, the machine's own.
 * @throws {Deno.errors.NotFound} when there's neither.
 */
export function libbpfBytes(base: URL): Uint8Array<ArrayBuffer> {
  const machine = Deno.build.arch;
  try {
    return Deno.readFileSync(new URL(`ffi/lib/${machine}/libpmzbpf.so`, base));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return Deno.readFileSync(`/usr/lib/${machine}-linux-gnu/libbpf.so.1`);
  }
}
