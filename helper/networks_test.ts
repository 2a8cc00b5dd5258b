import assert from "node:assert/strict";
import { addAddress, linkUp } from "../ffi/netlink/link.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { addLocalRoutes } from "../ffi/netlink/route.ts";
import { addRule } from "../ffi/netlink/rule.ts";
import { TunDevice } from "../ffi/netlink/tun.ts";
import { inNewNetns, isRoot } from "../ffi/testing/netns.ts";
import { type IpAddress, parseAddress } from "../net/address.ts";
import { readNetworks } from "./networks.ts";

const ignore = !isRoot;

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** `ip` in the current network namespace. */
function ip(...args: string[]): void {
  const { success, stderr } = new Deno.Command("ip", { args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** A machine with a LAN at eth0, a default route by it, and a VPN's device wg0. */
function onMachine(body: (netlink: Netlink) => void): void {
  inNewNetns(() => {
    using netlink = new Netlink();
    ip("link", "set", "lo", "up");
    ip("link", "add", "eth0", "type", "bridge");
    ip("link", "add", "wg0", "type", "bridge");
    for (const device of ["eth0", "wg0"]) {
      ip("link", "set", device, "addrgenmode", "none"); // by itself: "up" comes first where both are given
      ip("link", "set", device, "up");
    }
    ip("address", "add", "10.50.0.5/24", "dev", "eth0");
    ip("address", "add", "10.8.0.2/32", "dev", "wg0");
    ip("route", "add", "default", "via", "10.50.0.1");
    body(netlink);
  });
}

const routedOf = (netlink: Netlink) =>
  readNetworks(netlink).routed.filter(({ device }) => device !== "lo")
    .map(({ range, device }) => `${range.text} ${device}`);

Deno.test(
  { name: "addresses are told with their networks, gateways and devices (needs root)", ignore },
  () => {
    onMachine((netlink) => {
      const { own, onLink, gateways } = readNetworks(netlink);
      assert.deepEqual([own.get("10.50.0.5"), own.get("10.8.0.2")], ["eth0", "wg0"]);
      const networks = onLink.map(({ range, device }) => `${range.text} ${device}`);
      assert.ok(networks.includes("10.50.0.0/24 eth0"), networks.join());
      assert.deepEqual([...gateways], ["10.50.0.1"]);
    });
  },
);

Deno.test({ name: "a VPN's routes are told, in its own table too (needs root)", ignore }, () => {
  onMachine((netlink) => {
    const before = routedOf(netlink);
    ip("route", "add", "10.96.0.0/12", "dev", "wg0");
    ip("route", "add", "10.128.0.0/9", "dev", "wg0", "table", "52");
    assert.deepEqual(routedOf(netlink).filter((one) => !before.includes(one)), ["10.96.0.0/12 wg0"]);
    ip("rule", "add", "pref", "5270", "lookup", "52");
    assert.ok(routedOf(netlink).includes("10.128.0.0/9 wg0"));
  });
});

Deno.test({
  name: "routes that lead where a default route leads aren't told: a VPN that takes everything (needs root)",
  ignore,
}, () => {
  onMachine((netlink) => {
    const before = routedOf(netlink);
    ip("route", "add", "192.0.2.0/24", "via", "10.50.0.1"); // by the default's gateway
    ip("route", "add", "10.96.0.0/12", "dev", "wg0");
    for (const half of ["0.0.0.0/1", "128.0.0.0/1"]) ip("route", "add", half, "dev", "wg0");
    assert.deepEqual(routedOf(netlink), before);
    ip("route", "add", "192.168.7.0/24", "via", "10.50.0.9"); // by another gateway
    assert.deepEqual(routedOf(netlink).filter((one) => !before.includes(one)), ["192.168.7.0/24 eth0"]);
  });
});

Deno.test({
  name: "pmz's tables, devices and addresses don't count, however many routes they have (needs root)",
  ignore,
}, () => {
  onMachine((netlink) => {
    const before = readNetworks(netlink);
    using device = TunDevice.create("pmz3");
    assert.ok(device);
    linkUp(netlink, device.index);
    addAddress(netlink, device.index, address("198.18.255.251"));
    const routes = {
      table: 726_903,
      device: device.index,
      source4: address("198.18.255.251"),
      source6: undefined,
    };
    addLocalRoutes(
      netlink,
      routes,
      Array.from({ length: 5_000 }, (_, i) => address(`10.97.${i >> 8}.${i & 255}`)),
    );
    addRule(netlink, {
      family: 4,
      priority: 10,
      action: "lookup",
      table: 726_903,
      iif: "lo",
      uids: { first: 1000, last: 1000 },
      from: undefined,
    });
    let dumped = 0;
    const counting = {
      dump: (...args: Parameters<Netlink["dump"]>) => {
        const bodies = netlink.dump(...args);
        dumped += bodies.length;
        return bodies;
      },
    } as Netlink;
    assert.deepEqual(readNetworks(counting), before);
    assert.ok(dumped < 100, `${dumped} objects were read`);
  });
});
