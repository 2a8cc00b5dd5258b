import assert from "node:assert/strict";
import { inNewNetns, isRoot } from "../ffi/testing/netns.ts";
import { addAddress, linkUp } from "../ffi/netlink/link.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { TunDevice } from "../ffi/netlink/tun.ts";
import { parseAddress } from "../net/address.ts";
import { UserDevice } from "./device.ts";
import { nameserversOf } from "./machine.ts";
import { readNetworks } from "./networks.ts";

const ignore = !isRoot;

Deno.test("the nameservers are those of resolv.conf", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(
    path,
    "# nameserver 1.1.1.1\nsearch x\nnameserver 10.0.0.53\n  nameserver\tfd00::53 # lan\nnameserver nonsense\nnameserver fe80::1%eth0\n",
  );
  assert.deepEqual(nameserversOf(path), ["10.0.0.53", "fd00::53", "fe80::1"]);
  assert.deepEqual(nameserversOf(`${path}/nothing`), []);
});

Deno.test({ name: "pmz's own device doesn't count as used by the machine (needs root)", ignore }, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    using device = UserDevice.create(netlink, () => true);
    const { own, onLink, routed } = readNetworks(netlink);
    assert.equal(own.has(device.own4.text), false);
    assert.deepEqual([onLink, routed], [[], []]);
  });
});

Deno.test({ name: "a place that the machine uses isn't taken (needs root)", ignore }, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    linkUp(netlink, 1);
    using first = UserDevice.create(netlink, () => true);
    assert.deepEqual([first.name, first.own4.text, first.own6?.text], [
      "pmz0",
      "198.18.255.254",
      "fd70:6d7a::fe",
    ]);
    using second = UserDevice.create(netlink, () => true);
    assert.deepEqual([second.name, second.own4.text, second.table], [
      "pmz1",
      "198.18.255.253",
      first.table + 1,
    ]);
    using vpn = TunDevice.create("vpn0");
    const used = parseAddress("198.18.255.7");
    assert.ok(vpn && used);
    linkUp(netlink, vpn.index);
    addAddress(netlink, vpn.index, used);
    using third = UserDevice.create(netlink, () => true);
    assert.deepEqual([third.name, third.own4.text], ["pmz2", "100.127.255.252"]);
  });
});
