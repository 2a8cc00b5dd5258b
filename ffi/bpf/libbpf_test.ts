import assert from "node:assert/strict";
import { bpfObject, libbpfBytes } from "../assets.ts";
import { BpfError, Libbpf, openForAttach } from "./libbpf.ts";
import { closeDescriptor } from "../sockets/socket.ts";
import { refusedPrograms } from "../testing/refused_programs.ts";

const root = new URL("../../", import.meta.url);
const ignore = Deno.uid() !== 0;
const key = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);

Deno.test({
  name: "an object's maps hold what is put into them, and lose what is deleted (needs root)",
  ignore,
}, () => {
  using object = Libbpf.load(libbpfBytes(root)).open(bpfObject(root, "capture"), "capture");
  object.load(refusedPrograms);
  const captured = object.map("addresses");
  const address = crypto.getRandomValues(new Uint8Array(16));
  assert.equal(captured.lookup(address, 4), undefined);
  captured.update(address, key(1));
  assert.deepEqual(captured.lookup(address, 4), key(1));
  assert.equal(captured.delete(address), true);
  assert.equal(captured.delete(address), false);
});

Deno.test({ name: "the verifier takes every program of pmz (needs root)", ignore }, () => {
  const libbpf = Libbpf.load(libbpfBytes(root));
  for (const name of ["capture", "names", "intercept"] as const) {
    using object = libbpf.open(bpfObject(root, name), name);
    object.load(name === "capture" ? refusedPrograms : []);
  }
  using blind = libbpf.open(bpfObject(root, "capture"), "capture");
  blind.load(["steer"]);
});

Deno.test({ name: "a program that is attached where it can't be says so (needs root)", ignore }, () => {
  using object = Libbpf.load(libbpfBytes(root)).open(bpfObject(root, "capture"), "capture");
  object.load(refusedPrograms);
  const fd = openForAttach("/proc/self");
  try {
    assert.throws(() => object.program("connect4").attachCgroup(fd), BpfError);
  } finally {
    closeDescriptor(fd);
  }
  assert.throws(() => object.program("nothing"), /has no program nothing/);
});

Deno.test({
  name: "what the verifier minds is said without libbpf's frame and addresses (needs root)",
  ignore: ignore || refusedPrograms.length === 0,
}, () => {
  using object = Libbpf.load(libbpfBytes(root)).open(bpfObject(root, "capture"), "capture");
  assert.throws(
    () => object.load(),
    ({ message }: Error) =>
      message.includes(`on Linux ${Deno.osRelease()}`) && message.includes("invalid bpf_context access") &&
      !message.includes("failed to load"),
  );
});

Deno.test("bytes that are no object are refused", () => {
  const libbpf = Libbpf.load(libbpfBytes(root));
  assert.throws(() => libbpf.open(new Uint8Array(64), "nonsense"), BpfError);
});
