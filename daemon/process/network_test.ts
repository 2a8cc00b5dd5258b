import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { addAddress, linkUp } from "../../ffi/netlink/link.ts";
import { Netlink } from "../../ffi/netlink/netlink.ts";
import { inNewNetns, isRoot } from "../../ffi/testing/netns.ts";
import { parseAddress } from "../../net/address.ts";
import { watchPaths } from "./network.ts";

Deno.test({ name: "another address of the machine is told once (needs root)", ignore: !isRoot }, async () => {
  let told = 0;
  const times = { settleMs: 10, pauseMs: 10 };
  const { watch, netlink } = inNewNetns(() => ({
    watch: watchPaths(() => void told++, (_level, message) => assert.fail(message), times),
    netlink: new Netlink(),
  }));
  await using _watch = watch;
  using _netlink = netlink;
  linkUp(netlink, 1);
  await until("lo has its addresses", () => told === 1);
  for (const [times, text] of ["10.50.0.5", "fd50::5"].entries()) {
    const address = parseAddress(text);
    assert.ok(address);
    addAddress(netlink, 1, address);
    await until("it's told", () => told === times + 2);
  }
});
