import assert from "node:assert/strict";
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { addAddress, allAddresses, allLinks, linkUp } from "./link.ts";
import { SystemCallError } from "../libc.ts";
import { Netlink } from "./netlink.ts";
import { addLocalRoutes, deleteLocalRoutes, routesOf } from "./route.ts";
import { addRule, allRules, deleteRule, type Rule } from "./rule.ts";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { TunDevice } from "./tun.ts";

const ignore = !isRoot;
const TABLE = 726_950;

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** A netns with a device that is up and has an address of each family. */
function withDevice(body: (netlink: Netlink, device: TunDevice) => void): void {
  inNewNetns(() => {
    using netlink = new Netlink();
    using device = TunDevice.create("pmz7");
    assert.ok(device);
    linkUp(netlink, 1);
    linkUp(netlink, device.index);
    addAddress(netlink, device.index, address("198.18.255.254"));
    addAddress(netlink, device.index, address("fd00:7::1"));
    body(netlink, device);
  });
}

const localRoutes = (device: number) => ({
  table: TABLE,
  device,
  source4: address("198.18.255.254"),
  source6: address("fd00:7::1"),
});
const inTable = (netlink: Netlink) => routesOf(netlink, [TABLE]);

Deno.test({ name: "local routes come and go, IPv4 and IPv6 (needs root)", ignore }, () => {
  withDevice((netlink, device) => {
    const both = [address("10.96.0.10"), address("fd00:10::a")];
    assert.deepEqual(addLocalRoutes(netlink, localRoutes(device.index), both), [0, 0]);
    assert.deepEqual(
      inTable(netlink).map(({ destination, bits, kind, device }) => [destination.text, bits, kind, device]),
      [["10.96.0.10", 32, "local", device.index], ["fd00:10::a", 128, "local", device.index]],
    );
    assert.deepEqual(addLocalRoutes(netlink, localRoutes(device.index), both), [0, 0], "again: no error");
    assert.equal(inTable(netlink).length, 2);
    assert.deepEqual(deleteLocalRoutes(netlink, localRoutes(device.index), both), [0, 0]);
    assert.deepEqual(deleteLocalRoutes(netlink, localRoutes(device.index), both), [3, 3], "ESRCH");
    assert.deepEqual(inTable(netlink), []);
  });
});

Deno.test({ name: "5,000 routes are added in one go, and go with their device (needs root)", ignore }, () => {
  withDevice((netlink, device) => {
    const many = Array.from({ length: 5000 }, (_, i) => address(`10.97.${i >> 8}.${i & 255}`));
    const results = addLocalRoutes(netlink, localRoutes(device.index), many);
    assert.equal(results.filter((result) => result === 0).length, 5000);
    assert.equal(inTable(netlink).length, 5000);
    device[Symbol.dispose]();
    assert.deepEqual(inTable(netlink), []);
  });
});

Deno.test({ name: "a route that the kernel refuses leaves the others (needs root)", ignore }, () => {
  withDevice((netlink, device) => {
    const routes = { ...localRoutes(device.index), source4: address("192.0.2.1") }; // no address of the machine
    const results = addLocalRoutes(netlink, routes, [address("10.96.0.1"), address("fd00:10::1")]);
    assert.deepEqual(results, [22, 0]);
  });
});

Deno.test({ name: "a rule is added once, read and deleted (needs root)", ignore }, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    const ours = () => allRules(netlink).filter(({ table }) => table === TABLE);
    for (const from of [address("198.18.255.254"), address("fd00:7::1")]) {
      const common = { family: from.family, priority: 10, table: TABLE, iif: "lo" };
      const rules: Rule[] = [
        { ...common, action: "lookup", uids: { first: 1993, last: 1994 }, from: undefined },
        { ...common, action: "lookup", uids: undefined, from },
        { ...common, action: "unreachable", uids: undefined, from },
      ];
      for (const rule of rules) addRule(netlink, rule);
      for (const rule of rules) {
        assert.throws(() => addRule(netlink, rule), (error) => (error as SystemCallError).errno === 17);
      }
      assert.deepEqual(ours(), rules);
      for (const rule of rules) deleteRule(netlink, rule);
      for (const rule of rules) {
        assert.throws(() => deleteRule(netlink, rule), (error) => (error as SystemCallError).errno === 2);
      }
      assert.deepEqual(ours(), []);
    }
  });
});

Deno.test({ name: "the kernel's own rules are read as they are (needs root)", ignore }, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    assert.deepEqual(
      allRules(netlink).map(({ family, priority, action, table, iif }) => ({
        family,
        priority,
        action,
        table,
        iif,
      })),
      [[4, 0, 255], [4, 32_766, 254], [4, 32_767, 253], [6, 0, 255], [6, 32_766, 254]].map((
        [family, priority, table],
      ) => ({ family, priority, action: "lookup", table, iif: undefined })),
    );
  });
});

Deno.test({ name: "a device has one maker, and goes with it (needs root)", ignore }, () => {
  inNewNetns(() => {
    const first = TunDevice.create("pmz8");
    assert.ok(first);
    assert.equal(TunDevice.create("pmz8"), undefined);
    first[Symbol.dispose]();
    using again = TunDevice.create("pmz8");
    assert.ok(again);
  });
});

Deno.test({ name: "gateways, networks and addresses are read as they are (needs root)", ignore }, () => {
  withDevice((netlink, device) => {
    assert.deepEqual(allLinks(netlink).map(({ name }) => name), ["lo", "pmz7"]);
    const addresses = allAddresses(netlink).filter((one) => one.device === device.index);
    assert.deepEqual(
      [...new Set(addresses.map(({ address, bits }) => `${address.text}/${bits}`))].filter((one) =>
        !one.startsWith("fe80")
      ),
      ["198.18.255.254/32", "fd00:7::1/128"],
    );
    const local = routesOf(netlink, [255]).find((route) => route.destination.text === "198.18.255.254");
    assert.equal(local?.kind, "local");
    assert.deepEqual(local?.gateways, []);
  });
});
