import { BufferPool } from "../../hbone/mod.ts";
import assert from "node:assert/strict";
import { cheapestKind } from "../../ffi/sockets/adopt.ts";
import { boundDescriptorOf } from "../../ffi/sockets/own_socket.ts";
import { getOption, localEndpoint, tcpListener } from "../../ffi/sockets/socket.ts";
import { openDescriptor } from "../../ffi/testing/netns.ts";
import { NoOpenFiles } from "../../ffi/testing/open_files.ts";
import { Router } from "../routing/router.ts";
import { SteeredDatagrams } from "../../ffi/sockets/steered_datagrams.ts";
import { NestedPlaces } from "./nested_places.ts";
import { Places } from "./places.ts";
import { type PodHost, RelayedPod } from "./relayed_pod.ts";
import { MirrorLimits } from "./mirror_limits.ts";
import { aPod } from "../testing/laptop.ts";

const handover = { ...aPod, uid: "u" };

/** A pod with one listener, and a file instead of its beat map. */
function taken() {
  const path = Deno.makeTempFileSync();
  Deno.truncateSync(path, 4096);
  const beats = Deno.openSync(path);
  const fd = tcpListener({ address: "127.0.0.1" });
  const { port } = localEndpoint(fd);
  const host: PodHost = {
    buffers: new BufferPool(),
    tunnels: { of: () => [], rule: () => undefined },
    longHeads: new Places(1),
    streams: new Places(1),
    mirrorLimits: new MirrorLimits(),
    router: () => new Router([]),
    log: () => {},
    connectionKind: cheapestKind(),
    requestSockets: () => {},
    classify: () => Promise.resolve("other"),
    nextFlow: () => "k3v9t0aq-1f",
    enter: () => false,
    left: () => {},
    limitMet: () => {},
    get readiness() {
      return assert.fail("no UDP is steered");
    },
    reader: new SteeredDatagrams(),
    flows: new NestedPlaces(1),
  };
  const pod = new RelayedPod(handover, [openDescriptor(path), fd], host);
  return {
    pod,
    port,
    /** When it has said last that it's alive, in nanoseconds. */
    beaten() {
      const bytes = new Uint8Array(8);
      beats.seekSync(0, Deno.SeekMode.Start);
      beats.readSync(bytes);
      return new DataView(bytes.buffer).getBigUint64(0, true);
    },
    [Symbol.dispose]() {
      pod[Symbol.dispose]();
      beats.close();
      Deno.removeSync(path);
    },
  };
}

Deno.test("callers that fall silent are probed: their node may have failed", () => {
  using one = taken();
  const [SOL_SOCKET, SO_KEEPALIVE, IPPROTO_TCP, TCP_KEEPIDLE] = [1, 9, 6, 4];
  const fd = boundDescriptorOf("tcp", "127.0.0.1", one.port);
  assert.equal(getOption(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  assert.equal(getOption(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
});

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

Deno.test("a pod's heartbeat stops while its connections can't be accepted", async () => {
  using one = taken();
  const { pod, port } = one;
  const first = one.beaten();
  assert.ok(first > 0n, "alive from the start");
  let client: Deno.TcpConn, last: bigint;
  {
    using none = new NoOpenFiles();
    none.giveBack(); // to the client
    client = await Deno.connect({ hostname: "127.0.0.1", port });
    await pause();
    pod.beat();
    last = one.beaten();
    assert.ok(last > first, "it may yet be accepted");
    for (let i = 0; i < 3; i++) {
      await pause();
      pod.beat();
    }
    assert.equal(one.beaten(), last);
  }
  pod.beat();
  assert.equal(one.beaten(), last);
  // Accepted, and reset: it came to the listener itself, not by an address of the pod's.
  await assert.rejects(client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  pod.beat();
  assert.ok(one.beaten() > last, "alive again");
  client.close();
});
