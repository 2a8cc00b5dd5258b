import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { datagramsOnLoopback } from "../proc/pod_sockets.ts";
import { isRoot } from "../testing/netns.ts";
import { SteeredDatagrams } from "./steered_datagrams.ts";
import { Readiness } from "./readiness.ts";
import { closeDescriptor } from "./socket.ts";
import dgram from "node:dgram";
import { once } from "node:events";

Deno.test({
  name: "each socket is told when it can be read, until it is no longer watched (needs root)",
  ignore: !isRoot,
  async fn() {
    using readiness = new Readiness();
    const reader = new SteeredDatagrams();
    const avoid = new Set<number>();
    const sockets = [0, 1].map(() => {
      const made = datagramsOnLoopback(4, avoid) ?? assert.fail();
      avoid.add(made.port);
      const read: string[] = [];
      const watch = readiness.watch(made.fd, () => {
        if (reader.read(made.fd)) read.push(new TextDecoder().decode(reader.payload)); // one at a time: the rest is told again
      });
      return { ...made, read, watch };
    });
    const [a, b] = sockets;
    assert.ok(a && b);
    const sender = dgram.createSocket("udp4");
    const send = (text: string, { port }: { readonly port: number }) => sender.send(text, port, "127.0.0.1");
    for (const text of ["1", "2", "3"]) send(text, a);
    send("4", b);
    await until("all came", () => a.read.length === 3 && b.read.length === 1);
    assert.deepEqual([a.read.toSorted(), b.read], [["1", "2", "3"], ["4"]]);
    a.watch[Symbol.dispose]();
    a.watch[Symbol.dispose]();
    send("5", a);
    send("6", b);
    await until("the other one came", () => b.read.length === 2);
    assert.equal(a.read.length, 3);
    for (const { fd, watch } of sockets) {
      watch[Symbol.dispose]();
      closeDescriptor(fd);
    }
    sender.close();
    await once(sender, "close");
  },
});

Deno.test("what was never waited for is closed as well", () => {
  const readiness = new Readiness();
  readiness[Symbol.dispose]();
  readiness[Symbol.dispose]();
});
