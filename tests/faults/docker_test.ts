import assert from "node:assert/strict";
import { assertReached, haveAddresses, inBothOrders, onDispose } from "../e2e/lib/both_orders.ts";
import type { Neighbours } from "../e2e/lib/neighbours.ts";

/** The rules of iptables, without their counters. */
const rules = (neighbours: Neighbours) =>
  neighbours.script("{ iptables-save; ip6tables-save; } | sed 's/\\[[0-9:]*\\]//; /^#/d'");

/** Runs a command in a container. */
async function exec(neighbours: Neighbours, container: string, command: string) {
  const { code, stdout, stderr } = await neighbours.run([
    ...["docker", "exec", container],
    ...["/usr/bin/sh", "-c", command],
  ]);
  return { code, said: stdout + stderr };
}

Deno.test("pmz works next to Docker's engine, whichever was there first: its rules, containers and names stay as they are", async () => {
  let made = "";
  await inBothOrders(async (neighbours, laptop) => {
    await neighbours.script(
      "mkdir -p /etc/docker /srv/empty; ln -sfn usr/bin usr/lib usr/lib64 usr/sbin /srv/empty",
    );
    const engine = neighbours.spawn(
      "dockerd",
      "--storage-driver=vfs",
      "--exec-opt=native.cgroupdriver=cgroupfs",
    );
    await engine.says(/API listen on/, 30_000);
    await neighbours.script(`
      tar -C /srv/empty -c . | docker import - tools
      docker network create shop
      run() { name=$1; shift; docker run --detach --rm --name "$name" -v /usr:/usr:ro "$@"; }
      run web --publish 127.0.0.1:8085:80 tools /usr/bin/python3 -m http.server 80
      run client --network shop tools /usr/bin/sleep 1000
      run server --network shop tools /usr/bin/python3 -m http.server 80
      run host --network host --user 1000 tools /usr/bin/sleep 1000`);
    made = await rules(neighbours);
    await haveAddresses(laptop, /^(docker0|br-.*|veth.*)$/);
    return onDispose(
      () => neighbours.script("docker kill web client server host; docker network rm shop"),
      () => (engine.kill("SIGTERM"), engine.status()),
      () => neighbours.script("ip link del docker0; nft flush ruleset"),
      () => laptop.output("root", ["sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"]),
    );
  }, async (alice, neighbours) => {
    const inside = (container: string, command: string) => exec(neighbours, container, command);
    await assertReached(alice);
    assert.equal(await rules(neighbours), made);
    assert.match(await alice.shell("curl -sSm5 http://127.0.0.1:8085/"), /Directory listing/);
    assert.match((await inside("web", "curl -sSm5 http://internet.test/")).said, /"pod":"internet"/);
    assert.match(
      (await inside("client", "curl -sSm5 http://server/")).said,
      /Directory listing/,
      "by the engine's DNS",
    );
    assert.match((await inside("client", "curl -sSm5 http://internet.test/")).said, /"pod":"internet"/);
    assert.equal(
      (await inside("client", "curl -sSm5 http://echo.default.svc/")).code,
      6,
      "a network of its own is outside",
    );
    assert.match(
      (await inside("host", "curl -sSm5 http://echo.default.svc/")).said,
      /"pod":"echo-/,
      "this machine's with the user's id is inside",
    );
  });
});
