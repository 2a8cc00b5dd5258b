import assert from "node:assert/strict";
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { ownInterfaces, senderLabel } from "../../net/own_interfaces.ts";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { addAddress, allAddresses, linkDown, linkUp } from "./link.ts";
import { Netlink } from "./netlink.ts";
import { LOCAL_TABLE, routesOf } from "./route.ts";
import { addSenderAddress, deleteSenderAddresses } from "./sender_address.ts";
import { TunDevice } from "./tun.ts";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

Deno.test({
  name: "an address to send from has no route, also when it is given again (needs root)",
  ignore: !isRoot,
}, () => {
  inNewNetns(() => {
    using netlink = new Netlink();
    const device = TunDevice.create("pmz7");
    assert.ok(device);
    using tun = device;
    linkUp(netlink, tun.index);
    addAddress(netlink, tun.index, address("198.18.255.254"));
    const sender = address("10.96.0.10");
    const routes = () => routesOf(netlink, [LOCAL_TABLE]).map(({ destination }) => destination.text);
    const addresses = () => [...new Set(allAddresses(netlink).map(({ address }) => address.text))];
    const give = () => addSenderAddress(netlink, tun.index, sender, senderLabel("pmz7"));
    give();
    assert.ok(addresses().includes(sender.text));
    assert.ok(!routes().includes(sender.text));
    assert.ok(routes().includes("198.18.255.254"), "the device's own keeps its route");
    give();
    assert.ok(!routes().includes(sender.text));
    linkDown(netlink, tun.index);
    linkUp(netlink, tun.index);
    assert.ok(routes().includes(sender.text), "the kernel makes it again");
    give();
    assert.ok(!routes().includes(sender.text));
    assert.ok(Deno.networkInterfaces().some((one) => one.address === sender.text));
    assert.ok(!ownInterfaces().some((one) => one.address === sender.text), "it isn't the machine's");
    assert.ok(ownInterfaces().some((one) => one.address === "198.18.255.254"));
    deleteSenderAddresses(netlink, tun.index, [sender, address("10.96.0.11")]);
    assert.ok(!addresses().includes(sender.text));
  });
});
