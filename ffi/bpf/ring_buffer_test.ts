import assert from "node:assert/strict";
import { bpfObject, libbpfBytes } from "../assets.ts";
import { refusedPrograms } from "../testing/refused_programs.ts";
import { Libbpf } from "./libbpf.ts";

const root = new URL("../../", import.meta.url);
const ignore = Deno.uid() !== 0;

function opened() {
  using stack = new DisposableStack();
  const object = stack.use(Libbpf.load(libbpfBytes(root)).open(bpfObject(root, "capture"), "capture"));
  object.load(refusedPrograms);
  return { object, stack: stack.move() };
}

Deno.test({ name: "a wait for a ring buffer ends when it is disposed (needs root)", ignore }, async () => {
  const { object, stack } = opened();
  using _object = stack;
  const records = object.map("refusals").records();
  const waiting = records.ready();
  records[Symbol.dispose]();
  records[Symbol.dispose]();
  assert.equal(await waiting, false);
  assert.equal(await records.ready(), false);
});

Deno.test({ name: "an empty ring buffer gives nothing (needs root)", ignore }, () => {
  const { object, stack } = opened();
  using _object = stack;
  using records = object.map("refusals").records();
  records.read(() => assert.fail("there is no record"));
});

Deno.test({ name: "a map of another kind is no ring buffer (needs root)", ignore }, () => {
  const { object, stack } = opened();
  using _object = stack;
  assert.throws(() => object.map("addresses").records(), /map addresses: read: EINVAL/);
});
