import assert from "node:assert/strict";
import { bpfObject, libbpfBytes } from "../assets.ts";
import { Libbpf } from "./libbpf.ts";
import { SystemCallError } from "../libc.ts";
import { Beat } from "./mmap.ts";
import { closeDescriptor, tcpListener } from "../sockets/socket.ts";
import { isRoot } from "../testing/netns.ts";

const root = new URL("../../", import.meta.url);
const key = new Uint8Array(4);

Deno.test({ name: "a beat is seen in the map, later ones later (needs root)", ignore: !isRoot }, async () => {
  using object = Libbpf.load(libbpfBytes(root)).open(bpfObject(root, "names"), "names");
  object.load();
  const map = object.map("beat");
  const last = () => new DataView((map.lookup(key, 8) ?? new Uint8Array(8)).buffer).getBigUint64(0, true);
  const beat = new Beat(map.fd);
  assert.equal(last(), 0n);
  beat.beat(0);
  const first = last();
  await new Promise((resolve) => setTimeout(resolve, 10));
  beat.beat(0);
  const between = last() - first;
  assert.ok(between > 9_000_000n && between < 5_000_000_000n, `${between} ns`);
  const uptime = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]);
  assert.ok(Math.abs(Number(first) / 1e9 - uptime) < 5, "counted from boot");
  beat[Symbol.dispose]();
  beat[Symbol.dispose]();
  beat.beat(0); // nothing to write to any more
});

Deno.test("what is no map can't be beaten in", () => {
  const listener = tcpListener({ address: "127.0.0.1" });
  assert.throws(() => new Beat(listener), SystemCallError);
  closeDescriptor(listener);
});
