import assert from "node:assert/strict";
import { bpfObject, libbpfBytes } from "../ffi/assets.ts";
import { Libbpf } from "../ffi/bpf/libbpf.ts";
import { loadFor } from "./capture_hooks.ts";

const root = new URL("../", import.meta.url);

Deno.test({
  name: "the first program that this kernel takes is loaded, and each of them may be the one (needs root)",
  ignore: Deno.uid() !== 0,
}, () => {
  const [libbpf, bytes] = [Libbpf.load(libbpfBytes(root)), bpfObject(root, "capture")];
  for (const only of ["steer", "steer_blind", "steer_tcp"] as const) {
    const { object, steer } = loadFor(libbpf, bytes, [only]);
    using _loaded = object;
    assert.equal(steer, only);
  }
  const { object, steer } = loadFor(libbpf, bytes);
  using _loaded = object;
  assert.notEqual(steer, "steer_tcp", "UDP is taken from Linux 5.9 on");
});
