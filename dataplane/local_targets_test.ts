import assert from "node:assert/strict";
import { closeDescriptor, localEndpoint, tcpListener } from "../ffi/sockets/socket.ts";
import { dialLocal, LocalRefusal } from "./local_target.ts";
import { LocalTargets } from "./local_targets.ts";

/** A program of the laptop, that accepts and says nothing. */
function program(hostname = "127.0.0.1") {
  const listener = Deno.listen({ hostname, port: 0 });
  const conns: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const conn of listener) conns.push(conn);
  })();
  const at = (rule: string, port = 80) => ({
    rule,
    port,
    host: "127.0.0.1",
    localPort: listener.addr.port,
  });
  return {
    at,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const conn of conns) conn.close();
    },
  };
}

const refusal = (kind: string) => (error: unknown) => error instanceof LocalRefusal && error.kind === kind;

Deno.test("only a rule's own port leads to the laptop", async () => {
  await using local = program();
  const targets = new LocalTargets();
  targets.replace([local.at("rule")]);
  await assert.rejects(targets.dial("rule", 81), refusal("destination_ip_prohibited"));
  await assert.rejects(targets.dial("other", 80), refusal("destination_ip_prohibited"));
  const { transport, done } = await targets.dial("rule", 80);
  transport.close();
  done();
});

Deno.test("connections are counted, also over a change of where they go", async () => {
  await using local = program();
  const targets = new LocalTargets();
  targets.replace([local.at("rule")]);
  const first = await targets.dial("rule", 80);
  const second = targets.dial("rule", 80);
  targets.replace([local.at("rule"), local.at("other")]); // while the second is being dialled
  (await second).done();
  assert.deepEqual(targets.counts(), [
    { rule: "rule", open: 1, total: 2 },
    { rule: "other", open: 0, total: 0 },
  ]);
  first.done();
  assert.deepEqual(targets.counts()[0], { rule: "rule", open: 0, total: 2 });
  targets.replace([]);
  assert.deepEqual(targets.counts(), []);
  for (const { transport } of [first, await second]) transport.close();
});

Deno.test("where nothing listens, a connection is refused, and not counted", async () => {
  let at: ReturnType<ReturnType<typeof program>["at"]>;
  {
    await using local = program();
    at = local.at("rule");
  }
  const targets = new LocalTargets();
  targets.replace([at]);
  await assert.rejects(targets.dial("rule", 80), refusal("connection_refused"));
  assert.deepEqual(targets.counts(), [{ rule: "rule", open: 0, total: 0 }]);
});

Deno.test("localhost is whichever loopback address the program listens on", async () => {
  for (const address of ["127.0.0.1", "::1"]) {
    await using local = program(address);
    const targets = new LocalTargets();
    targets.replace([{ ...local.at("rule"), host: "localhost" }]);
    (await targets.dial("rule", 80)).transport.close();
  }
});

Deno.test("a program that takes no connection is given up in time", async () => {
  const fd = tcpListener({ address: "127.0.0.1", backlog: 0 });
  const { port } = localEndpoint(fd);
  const waiting = await dialLocal("127.0.0.1", port); // all that fits
  await assert.rejects(dialLocal("127.0.0.1", port, 50), refusal("connection_timeout"));
  waiting.close();
  closeDescriptor(fd);
});

Deno.test("a host that is no name leads nowhere", async () => {
  await assert.rejects(dialLocal("no name", 80), refusal("destination_ip_unroutable"));
});
