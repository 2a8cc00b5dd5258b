// Rebuilds the BPF objects that are checked in: `./dev bpf`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { bpfSources, compileBpf, objectOf } from "./bpf_object.ts";
import { root } from "./versions.ts";

for (const source of bpfSources()) {
  const object = objectOf(source);
  const before = await Deno.readFile(`${root}/${object}`).catch(() => new Uint8Array());
  await compileBpf(source, object);
  const after = await Deno.readFile(`${root}/${object}`);
  const same = before.length === after.length && before.every((byte, index) => byte === after[index]);
  console.log(`${object}: ${after.length} bytes, ${same ? "as it was" : "changed"}`);
}
