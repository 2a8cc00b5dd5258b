import { until } from "../../async/testing/until.ts";
import assert from "node:assert/strict";
import { parseAddress } from "../../net/address.ts";
import { closeDescriptor } from "../sockets/socket.ts";
import { inodeOf } from "./netns.ts";
import { findOutsidePods, findPods, holdsSocket, isRunning, Sandbox } from "./pod_proc.ts";
import { startOfStat } from "./pod_cgroup.ts";
import { listenOnLoopback, unconnectedSockets } from "./pod_sockets.ts";
import { SockDiag } from "../netlink/sock_diag.ts";

/** A process in a network namespace and a control group as a pod's would be. */
async function makePod(uid: string, options: { ownNetns?: boolean } = {}) {
  const group = `${cgroup2()}/pmz-test-${crypto.randomUUID()}`;
  const inner = `${group}/pod${uid}`;
  Deno.mkdirSync(inner, { recursive: true });
  const unshare = options.ownNetns === false ? "" : "unshare -n";
  const script =
    `echo $$ >${inner}/cgroup.procs; exec ${unshare} sh -c 'ip link set lo up; echo; exec sleep 600'`;
  const child = new Deno.Command("sh", { args: ["-c", script], stdout: "piped", stdin: "null" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      Deno.removeSync(inner);
      Deno.removeSync(group);
    },
  };
}

/** Where control groups of version 2 are on this machine: alone, or beside those of version 1. */
function cgroup2(): string {
  const unified = "/sys/fs/cgroup/unified";
  try {
    return Deno.statSync(`${unified}/cgroup.procs`).isFile ? unified : "/sys/fs/cgroup";
  } catch {
    return "/sys/fs/cgroup";
  }
}

const root = Deno.uid() === 0;
const others = new Set([inodeOf("/proc/self/ns/net")]);
const uid = () => crypto.randomUUID();

Deno.test({
  name: "a pod is found by its UID, and sockets are made in its network namespace",
  ignore: !root,
  async fn() {
    const id = uid();
    await using pod = await makePod(id);
    const [candidate] = findPods("/proc", new Set([id, uid()])).get(id) ?? [];
    assert.equal(candidate?.pid, pod.pid);
    if (!candidate) return;
    using sandbox = new Sandbox("/proc", id, candidate, others);
    assert.equal(sandbox.netns.inode, inodeOf(`/proc/${pod.pid}/ns/net`));
    assert.equal(sandbox.alive, true);
    const { fd, port } = sandbox.netns.run(() => listenOnLoopback(4, new Set())) ?? { fd: -1, port: 0 };
    assert.equal(inodeOf("/proc/self/ns/net") === sandbox.netns.inode, false);
    try {
      // The listener is in there, and not here.
      assert.match(Deno.readTextFileSync(`/proc/${pod.pid}/net/tcp`), listening(port));
      assert.doesNotMatch(Deno.readTextFileSync("/proc/self/net/tcp"), listening(port));
      const second = sandbox.netns.run(() => listenOnLoopback(4, new Set([port - 1])));
      assert.equal(second?.port, port - 2);
      closeDescriptor(second?.fd ?? -1);
    } finally {
      closeDescriptor(fd);
    }
    assert.deepEqual(sandbox.addresses(), []);
    for (const each of sandbox.netns.run(() => unconnectedSockets(4, 3))) closeDescriptor(each);
  },
});

Deno.test({
  name: "a process that shares the host's network namespace is never taken for a pod with one of its own",
  ignore: !root,
  async fn() {
    const id = uid();
    await using _ = await makePod(id, { ownNetns: false });
    const [candidate] = findPods("/proc", new Set([id])).get(id) ?? [];
    if (!candidate) throw new Error("the process wasn't found");
    assert.throws(() => new Sandbox("/proc", id, candidate, others), /own/);
  },
});

Deno.test({
  name: "a process id that is another's by now isn't taken for the pod's",
  ignore: !root,
  async fn() {
    const id = uid();
    await using _ = await makePod(id);
    const [candidate] = findPods("/proc", new Set([id])).get(id) ?? [];
    if (!candidate) throw new Error("the process wasn't found");
    const reused = { ...candidate, start: candidate.start - 1n };
    assert.throws(() => new Sandbox("/proc", id, reused, others), /isn't pod .* any more/);
    assert.throws(() => new Sandbox("/proc", uid(), candidate, others), /isn't pod .* any more/);
    assert.throws(
      () => new Sandbox("/proc", id, { ...candidate, pid: Deno.pid }, others),
      /isn't pod .* any more/,
    );
  },
});

Deno.test({
  name: "a sandbox whose process has ended isn't alive, whatever has its process id now",
  ignore: !root,
  async fn() {
    const id = uid();
    let sandbox: Sandbox;
    {
      await using _ = await makePod(id);
      const [candidate] = findPods("/proc", new Set([id])).get(id) ?? [];
      if (!candidate) throw new Error("the process wasn't found");
      sandbox = new Sandbox("/proc", id, candidate, others);
    }
    assert.equal(sandbox.alive, false);
    sandbox[Symbol.dispose]();
    sandbox[Symbol.dispose]();
  },
});

Deno.test("the owner of a socket is found among processes of a name", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using _client = await Deno.connect({ port: listener.addr.port });
  using server = await listener.accept();
  const [local, remote] = [server.localAddr, server.remoteAddr].map((addr) => {
    const address = parseAddress((addr as Deno.NetAddr).hostname);
    if (!address) throw new Error("no address");
    return { address, port: (addr as Deno.NetAddr).port };
  });
  using diag = new SockDiag();
  const inode = local && remote && diag.connection(local, remote)?.inode;
  const comm = Deno.readTextFileSync("/proc/self/comm").trim();
  const own = findOutsidePods("/proc", ({ name, args }) => name === comm && args.length > 0);
  assert.equal(own.includes(Deno.pid), true);
  assert.equal(holdsSocket("/proc", Deno.pid, inode ?? 0), true);
  assert.equal(holdsSocket("/proc", 1, inode ?? 0), false);
});

function listening(port: number): RegExp {
  return new RegExp(`0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`);
}

Deno.test("a process whose first thread has ended runs as long as others of its threads do", async () => {
  // exit(2) ends the thread that calls it, and of this process that alone.
  const exit = Deno.build.arch === "x86_64" ? 60 : 93;
  const code = `Deno.dlopen("libc.so.6", { syscall: { parameters: ["i64", "i64"], result: "i64" } })
    .symbols.syscall(${exit}n, 0n);`;
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", code] }).spawn();
  const stat = () => Deno.readTextFileSync(`/proc/${child.pid}/stat`);
  const process = { pid: child.pid, start: startOfStat(stat()), name: "deno" };
  await until("its main thread has ended", () => stat().includes(") Z "));
  assert.equal(isRunning("/proc", process), true);
  child.kill("SIGKILL");
  await child.status;
  assert.equal(isRunning("/proc", process), false);
});
