import assert from "node:assert/strict";
import { Snapshot } from "./snapshot.ts";

Deno.test("two snapshots of the same state have no difference, in whatever order it was printed", () => {
  assert.equal(Snapshot.parse("rules: a\nlinks: b\n").diff(Snapshot.parse("links: b\nrules: a\n")), "");
});

Deno.test("a difference names what came and what went, each under its heading", () => {
  const before = Snapshot.parse("rules: 0: lookup local\nlinks: eth0\n");
  const after = Snapshot.parse("rules: 0: lookup local\nlinks: eth0\nlinks: pmz0\n");
  assert.equal(before.diff(after), "+ links: pmz0");
  assert.equal(after.diff(before), "- links: pmz0");
  assert.deepEqual(after.under("links"), ["eth0", "pmz0"]);
});

Deno.test("the same line twice differs from the same line once", () => {
  const once = Snapshot.parse("sockets: tcp :80\n");
  const twice = Snapshot.parse("sockets: tcp :80\nsockets: tcp :80\n");
  assert.equal(once.diff(twice), "+ sockets: tcp :80");
});

Deno.test("caches and sudo's memory are no difference", () => {
  const before = Snapshot.parse("");
  const after = Snapshot.parse(
    "files: -rw------- alice:alice 3 /home/alice/.kube/cache/x\nfiles: -rw------- root:root 3 /run/sudo/ts/1000\n",
  );
  assert.equal(before.diff(after), "");
});

Deno.test("of BPF's links there are those of this network namespace", () => {
  const links = [{ type: "netns", attach_type: "sk_lookup", netns_ino: 7 }, { type: "netns", netns_ino: 8 }, {
    type: "cgroup",
    cgroup_id: 5,
  }];
  const snapshot = Snapshot.parse(`netns: net:[7]\njson links: ${JSON.stringify(links)}\n`);
  assert.deepEqual(snapshot.under("bpf links"), ["sk_lookup"]);
});
