import assert from "node:assert/strict";
import { parseAddress } from "../../net/address.ts";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { addAddress } from "./link.ts";
import { NetlinkMulticast } from "./multicast.ts";
import { Netlink } from "./netlink.ts";

const NETLINK_ROUTE = 0;
const RTNLGRP_IPV4_IFADDR = 5;
const LOOPBACK = 1;

Deno.test({
  name: "one wait gives a batch at most, and the next one the rest (needs root)",
  ignore: !isRoot,
}, async () => {
  await using socket = inNewNetns(() => {
    const socket = new NetlinkMulticast({
      name: "rtnetlink",
      protocol: NETLINK_ROUTE,
      groups: [RTNLGRP_IPV4_IFADDR],
      buffer: 1024 * 1024,
      longest: 8 * 1024,
    });
    using netlink = new Netlink();
    for (let i = 0; i < 300; i++) {
      const address = parseAddress(`198.51.${100 + Math.floor(i / 250)}.${1 + i % 250}`);
      assert.ok(address);
      addAddress(netlink, LOOPBACK, address);
    }
    return socket;
  });
  const told: number[] = [];
  for (let sum = 0; sum < 300; sum += told.at(-1) ?? 0) {
    let count = 0;
    assert.ok(await socket.next(() => void count++));
    told.push(count);
  }
  assert.deepEqual(told, [256, 44]);
});
