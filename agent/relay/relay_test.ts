import assert from "node:assert/strict";
import { SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { NodeConnection } from "../../ffi/sockets/node_connection.ts";
import { closeDescriptor, localEndpoint, tcpListener } from "../../ffi/sockets/socket.ts";
import { openDescriptor } from "../../ffi/testing/netns.ts";
import { type AttachMessage, type RelayMessage } from "../../wire/handover.ts";
import { helloOf } from "../../wire/hello.ts";
import { STOCK_DENO } from "../../wire/version.ts";
import { runRelay } from "./relay.ts";
import { aPod, uid } from "../testing/laptop.ts";

Deno.test("a pod that came without its descriptors is refused, and the connection to attach stays", async () => {
  const folder = Deno.makeTempDirSync();
  const handoverPath = `${folder}/handover.sock`;
  using listener = SeqPacketListener.listen(handoverPath);
  const ending = new AbortController();
  const logged: string[] = [];
  const log = (_level: string, message: string) => void logged.push(message);
  const attachUid = Deno.uid() ?? 0;
  const running = runRelay({
    handoverPath,
    attachUid,
    ports: { tunnel: 0, lanes: 0 },
    log,
    signal: ending.signal,
  });
  const attach = await listener.accept();
  assert.ok(attach);
  const tell = (message: AttachMessage, fds: readonly number[] = []) => attach.send(message, fds);
  const heard = async () => (await attach.receive())?.message as RelayMessage | undefined;
  const hello = helloOf("handover");
  tell({ tell: "hello", hello, clusterUid: "c", caHash: "c", pod: "p", node: "n" });
  assert.equal((await heard())?.tell, "hello");
  assert.equal((await heard())?.tell, "proven");

  tell({ ...aPod, uid: uid(1) });
  assert.deepEqual(await heard(), { tell: "refused", uid: uid(1) });
  tell({ tell: "sockets", uid: uid(1), family: 4 });

  // Another one is handed over: a connection to its listener itself is accepted, and reset.
  const beats = `${folder}/beats`;
  Deno.writeFileSync(beats, new Uint8Array(4096));
  const fds = [openDescriptor(beats), tcpListener({ address: "127.0.0.1" })];
  const { port } = localEndpoint(fds[1] ?? -1);
  tell({ ...aPod, uid: uid(2) }, fds);
  tell({ tell: "sockets", uid: uid(2), family: 4 });
  for (const fd of fds) closeDescriptor(fd);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await assert.rejects(client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  client.close();

  // Handed over again without descriptors, the pod is released: its listener is closed.
  tell({ ...aPod, uid: uid(2) });
  assert.deepEqual(await heard(), { tell: "refused", uid: uid(2) });
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
  assert.deepEqual(logged, [
    "can't take over a pod",
    "reset a connection that was not steered",
    "can't take over a pod",
  ]);
  ending.abort();
  await running;
  attach.close();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("relay says once that connections cost more CPU, and takes pods over all the same", async () => {
  const folder = Deno.makeTempDirSync();
  const handoverPath = `${folder}/handover.sock`;
  const beats = `${folder}/beats`;
  Deno.writeFileSync(beats, new Uint8Array(4096));
  using listener = SeqPacketListener.listen(handoverPath);
  const ending = new AbortController();
  const warned: { message: string; fields: unknown }[] = [];
  const running = runRelay({
    handoverPath,
    attachUid: Deno.uid() ?? 0,
    ports: { tunnel: 0, lanes: 0 },
    connectionKind: NodeConnection,
    log: (level, message, fields) => void (level === "warn" && warned.push({ message, fields })),
    signal: ending.signal,
  });
  const attach = await listener.accept();
  assert.ok(attach);
  attach.send({
    tell: "hello",
    hello: helloOf("handover"),
    clusterUid: "c",
    caHash: "c",
    pod: "p",
    node: "n",
  });
  for (const n of [1, 2]) {
    const fds = [openDescriptor(beats), tcpListener({ address: "127.0.0.1" })];
    const { port } = localEndpoint(fds[1] ?? -1);
    attach.send({ ...aPod, uid: uid(n) }, fds);
    for (const fd of fds) closeDescriptor(fd);
    const client = await Deno.connect({ hostname: "127.0.0.1", port });
    await assert.rejects(client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    client.close();
  }
  assert.deepEqual(warned.map(({ message }) => message), [
    "connections cost more CPU with this version of Deno than with the stock image's",
    "reset a connection that was not steered",
    "reset a connection that was not steered",
  ]);
  assert.deepEqual(warned[0]?.fields, { deno: Deno.version.deno, stock: STOCK_DENO });
  ending.abort();
  await running;
  attach.close();
  Deno.removeSync(folder, { recursive: true });
});
