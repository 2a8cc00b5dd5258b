import assert from "node:assert/strict";
import { getOption } from "../../ffi/sockets/socket.ts";
import { tcpDescriptors } from "../../ffi/testing/netns.ts";
import { NoOpenFiles } from "../../ffi/testing/open_files.ts";
import { until } from "../../async/testing/until.ts";
import { parseEndpoint } from "../../net/address.ts";
import { BusyTargets } from "./busy_targets.ts";
import { dial, SilenceProbes, spreadingDialler } from "./dial.ts";

const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;

Deno.test("dialled connections, older and newer, are probed after a minute of silence", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = parseEndpoint(`127.0.0.1:${listener.addr.port}`);
  assert.ok(endpoint);
  /** Dials once; the socket's descriptor beside the connection. */
  const dialled = async () => {
    const before = tcpDescriptors();
    const connection = await dial(endpoint, { timeoutMs: 5_000 });
    const [fd] = tcpDescriptors().filter((fd) => !before.includes(fd));
    assert.ok(fd !== undefined);
    return { connection, fd };
  };
  const probed = (fd: number) =>
    getOption(fd, SOL_SOCKET, SO_KEEPALIVE) === 1 && getOption(fd, IPPROTO_TCP, TCP_KEEPIDLE) === 60;
  const first = await dialled();
  assert.equal(probed(first.fd), false);
  {
    using _probes = new SilenceProbes(5);
    await until("the first is probed", () => probed(first.fd));
    const second = await dialled();
    await until("the second is probed", () => probed(second.fd));
    second.connection.close();
  }
  first.connection.close();
});

Deno.test("a gateway without free descriptors keeps probing silent connections", async () => {
  using _none = new NoOpenFiles();
  using _probes = new SilenceProbes(5);
  await new Promise((resolve) => setTimeout(resolve, 50)); // what its timer throws would end the process
});

Deno.test("a busy target is dialled from ports of the gateway's choice, each another one", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = parseEndpoint(`127.0.0.1:${listener.addr.port}`);
  assert.ok(endpoint);
  const dialBusy = spreadingDialler(new BusyTargets(2));
  const ports: number[] = [];
  for (let i = 0; i < 6; i++) {
    const dialling = dialBusy(endpoint, { timeoutMs: 5_000 });
    const [connection, accepted] = await Promise.all([dialling, listener.accept()]);
    assert.equal(connection.local.port, accepted.remoteAddr.port);
    ports.push(connection.local.port);
    connection.close();
    accepted.close();
  }
  const chosen = ports.slice(2);
  assert.ok(chosen.every((port) => port >= 10_000 && port < 30_000), `${ports}`);
  assert.equal(new Set(chosen).size, chosen.length);
});

Deno.test("a busy target that refuses connections is told as such", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoint = parseEndpoint(`127.0.0.1:${listener.addr.port}`);
  assert.ok(endpoint);
  listener.close();
  await assert.rejects(spreadingDialler(new BusyTargets(0))(endpoint, { timeoutMs: 5_000 }), {
    code: "ECONNREFUSED",
  });
});
