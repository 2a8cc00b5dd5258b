import assert from "node:assert/strict";
import { parseAddress } from "../../net/address.ts";
import { rcodes } from "../../dns/message.ts";
import { addressResource } from "../../dns/resource.ts";
import { fakeUpstream, replied } from "../testing/fake_upstream.ts";
import { Zone } from "../zone/zone.ts";
import { UdpForwarder } from "./forward.ts";
import { leftOutBy } from "./left_out.ts";

const zone = new Zone();
zone.set({
  cluster: "one",
  context: "one",
  clusterDomain: "cluster.local",
  namespace: "default",
  services: ["nas.corp.example", "echo.default.svc"].map((externalName, i) => ({
    namespace: "default",
    name: `out-${i}`,
    addresses: [],
    ports: [],
    externalName,
  })),
});
const why = ({ text }: { readonly text: string }) => text.startsWith("192.168.") ? "on the LAN" : undefined;

Deno.test("what an ExternalName leads to on the machine's own networks is told, and nothing else", async () => {
  await using upstream = await fakeUpstream((query) => {
    const name = query.questions[0]?.name ?? "";
    const addresses = ["192.168.1.5", "203.0.113.7"].flatMap((text) => parseAddress(text) ?? []);
    return replied(query, addresses.map((address) => addressResource(name, address)));
  });
  const leftOut = leftOutBy(zone, why, upstream.nameserver, new UdpForwarder());
  assert.deepEqual(await leftOut("out-0.default.svc"), {
    name: "out-0.default.svc",
    target: "nas.corp.example",
    addresses: [{ address: "192.168.1.5", why: "on the LAN" }],
  });
  assert.deepEqual((await leftOut("out-1.default.svc")).addresses, [], "it leads to the cluster");
  assert.equal(upstream.asked.length, 2, "one question for each family");
});

Deno.test("a nameserver that doesn't answer holds a list up for a second at most", async () => {
  await using upstream = await fakeUpstream(() => undefined);
  const start = performance.now();
  const { addresses } = await leftOutBy(zone, why, upstream.nameserver, new UdpForwarder())(
    "out-0.default.svc",
  );
  assert.deepEqual(addresses, []);
  assert.ok(performance.now() - start < 2_000);
});

Deno.test("a target that the nameserver has no address for is told, and one that it doesn't answer for isn't", async () => {
  await using unknown = await fakeUpstream((query) => replied(query, []));
  const ask = ({ nameserver }: typeof unknown) =>
    leftOutBy(zone, why, nameserver, new UdpForwarder())("out-0.default.svc");
  assert.equal((await ask(unknown)).isUnknown, true);
  await using failing = await fakeUpstream((query) => ({ ...replied(query, []), rcode: rcodes.servFail }));
  assert.equal((await ask(failing)).isUnknown, undefined);
});
