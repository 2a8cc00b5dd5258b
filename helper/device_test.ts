import assert from "node:assert/strict";
import { allAddresses } from "../ffi/netlink/link.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { inNewNetns, isRoot } from "../ffi/testing/netns.ts";
import { parseAddress } from "../net/address.ts";
import { UserDevice } from "./device.ts";

Deno.test({
  name: "an address to send from that couldn't be taken back is taken back the next time (needs root)",
  ignore: !isRoot,
}, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    using device = UserDevice.create(netlink, () => true);
    const sender = parseAddress("10.96.0.10");
    assert.ok(sender);
    const isThere = () => allAddresses(netlink).some(({ address }) => address.text === sender.text);
    device.addSender(netlink, sender);
    for (const answer of [() => [1], () => assert.fail("no answer")]) {
      const failing = { doAll: answer } as unknown as Netlink;
      assert.throws(() => device.deleteSenders(failing, [sender]), Error);
      assert.ok(device.hasSender(sender) && isThere());
    }
    device.deleteSenders(netlink, [sender]);
    assert.ok(!device.hasSender(sender) && !isThere());
  });
});
