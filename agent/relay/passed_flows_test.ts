import assert from "node:assert/strict";
import { bpfObject, libbpfBytes } from "../../ffi/assets.ts";
import { kernelTime } from "../../ffi/bpf/kernel_time.ts";
import { Libbpf } from "../../ffi/bpf/libbpf.ts";
import { isRoot } from "../../ffi/testing/netns.ts";
import { PassedFlows, passedLayout } from "./passed_flows.ts";

const root = new URL("../../", import.meta.url);

Deno.test("the BPF program has as many places for flows", () => {
  const source = Deno.readTextFileSync(new URL("bpf/intercept.bpf.c", root));
  const constant = (name: string) => Number(new RegExp(`^#define ${name} ([0-9]+)`, "m").exec(source)?.[1]);
  assert.equal(constant("PASSED"), passedLayout.flows);
  assert.equal(constant("PASSED_SHIFT"), passedLayout.shift);
  assert.equal(2 ** (32 - passedLayout.shift), passedLayout.flows);
});

Deno.test({
  name: "a flow is in the map for a second, as the BPF program reads it (needs root)",
  ignore: !isRoot,
}, () => {
  using object = Libbpf.load(libbpfBytes(root)).open(bpfObject(root, "intercept"), "intercept");
  object.load();
  const map = object.map("passed");
  using flows = new PassedFlows(map.fd);
  const caller = { family: 4, port: 0x1234, address: new Uint8Array([10, 244, 1, 7]) } as const;
  flows.pass(caller, 53);
  const found = Array.from(
    { length: passedLayout.flows },
    (_, at) => map.lookup(new Uint8Array(new Uint32Array([at]).buffer), passedLayout.bytes),
  )
    .filter((value) => value?.some((byte) => byte !== 0));
  assert.equal(found.length, 1);
  const bytes = found[0] ?? new Uint8Array();
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assert.deepEqual([...bytes.subarray(0, 16)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 244, 1, 7]);
  assert.deepEqual([...bytes.subarray(16, 20)], [0x12, 0x34, 0, 0], "in network byte order");
  assert.equal(view.getUint32(passedLayout.local, true), 53);
  const left = view.getBigUint64(passedLayout.until, true) - kernelTime();
  assert.ok(left > 0n && left <= 1_000_000_000n, `${left} ns`);
});
