import assert from "node:assert/strict";
import { addressOfBuffer, AF_UNIX, cstring, libc, must, SOCK_SEQPACKET } from "../libc.ts";
import { closeDescriptor, localEndpoint, tcpListener } from "./socket.ts";
import { SeqPacket, SeqPacketListener } from "./seqpacket.ts";
import { NoOpenFiles } from "../testing/open_files.ts";

async function pair(): Promise<{ near: SeqPacket; far: SeqPacket; listener: SeqPacketListener }> {
  const path = `${await Deno.makeTempDir()}/s`;
  const listener = SeqPacketListener.listen(path, { mode: 0o600 });
  const accepted = listener.accept();
  const near = SeqPacket.connect(path);
  const far = await accepted;
  assert.ok(far);
  return { near, far, listener };
}

/** How many descriptors this process has. */
function open(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("a message comes with its descriptors, which are the same sockets", async () => {
  const { near, far, listener } = await pair();
  const fd = tcpListener({ address: "127.0.0.1" });
  near.send({ hello: "world" }, [fd]);
  const received = await far.receive();
  assert.deepEqual(received?.message, { hello: "world" });
  const [got] = received?.fds ?? [];
  assert.ok(got !== undefined && got !== fd);
  assert.equal(localEndpoint(got).port, localEndpoint(fd).port);
  for (const each of [fd, got]) closeDescriptor(each);
  near.close();
  assert.equal(await far.receive(), undefined);
  far.close();
  listener.close();
});

Deno.test("a message comes without descriptors where not all of them could, and the next one with its own", async () => {
  const { near, far, listener } = await pair();
  const before = open();
  let receiving = far.receive();
  {
    using none = new NoOpenFiles();
    none.giveBack(); // for one of them: it's closed again
    near.send({ hello: "world" }, [0, 1, 2]);
    assert.deepEqual(await receiving, { message: { hello: "world" }, fds: [] });
  }
  assert.equal(open(), before);
  receiving = far.receive();
  near.send(1, [0]);
  const received = await receiving;
  assert.equal(received?.fds.length, 1);
  for (const fd of received?.fds ?? []) closeDescriptor(fd);
  for (const each of [near, far, listener]) each.close();
});

Deno.test("descriptors beside a message without a byte are closed", async () => {
  const path = `${await Deno.makeTempDir()}/s`;
  using listener = SeqPacketListener.listen(path);
  const accepted = listener.accept();
  const near = must("socket", libc.socket(AF_UNIX, SOCK_SEQPACKET, 0));
  const address = new Uint8Array([AF_UNIX, 0, ...cstring(path)]);
  must("connect", libc.connect(near, address, address.length));
  using far = await accepted;
  const before = open();
  // struct msghdr with no data, and a control message of SCM_RIGHTS.
  const control = new Uint8Array(new Int32Array([16 + 4 * 2, 0, 1, 1, near, near]).buffer);
  const header = new BigUint64Array([0n, 0n, 0n, 0n, addressOfBuffer(control), BigInt(control.length), 0n]);
  must("sendmsg", libc.sendmsg(near, new Uint8Array(header.buffer), 0));
  assert.equal(await far?.receive(), undefined);
  assert.equal(open(), before);
  assert.equal(control[16], near); // reachable until here
  closeDescriptor(near);
});

Deno.test("the peer's uid is the kernel's word", async () => {
  const { near, far, listener } = await pair();
  assert.equal(far.peer.uid, Deno.uid());
  assert.equal(far.peer.pid, Deno.pid);
  for (const each of [near, far, listener]) each.close();
});

Deno.test("nothing is sent by a closed end, whose descriptor may be another file's by now", async () => {
  const { near, far, listener } = await pair();
  far.close();
  const others = tcpListener({ address: "127.0.0.1" });
  assert.throws(() => far.send({ ok: true }), /EPIPE/);
  closeDescriptor(others);
  near.close();
  listener.close();
});

Deno.test("closing wakes who waits", async () => {
  const { near, far, listener } = await pair();
  const waiting = [near.receive(), listener.accept()];
  await new Promise((resolve) => setTimeout(resolve, 20));
  near.close();
  listener.close();
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
  far.close();
});

Deno.test("a message of 200 KiB fits, one beyond 256 KiB is refused", async () => {
  const { near, far, listener } = await pair();
  const text = "x".repeat(200_000);
  near.send(text);
  assert.equal((await far.receive())?.message, text);
  assert.throws(() => near.send("x".repeat(300_000)), RangeError);
  for (const each of [near, far, listener]) each.close();
});
