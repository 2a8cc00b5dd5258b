import { Libbpf } from "../ffi/bpf/libbpf.ts";
import { loadFor } from "./capture_hooks.ts";
import type { HelperAssets } from "./host_resources.ts";

/**
 * Loads the helper's BPF programs into this kernel and takes them out again; none is attached to anything.
 * @throws {BpfError} when the kernel refuses them, and always without root
 */
export function probePrograms(assets: HelperAssets): void {
  const libbpf = Libbpf.load(assets.libbpf);
  using _capture = loadFor(libbpf, assets.capture).object;
  using names = libbpf.open(assets.names, "names");
  names.load();
}
