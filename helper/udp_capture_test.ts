import assert from "node:assert/strict";
import { netnsOf } from "../ffi/descriptor.ts";
import { AF_INET, libc, must, SOCK_DGRAM } from "../ffi/libc.ts";
import { linkUp } from "../ffi/netlink/link.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { closeDescriptor, localEndpoint, setOption, socketAddress } from "../ffi/sockets/socket.ts";
import { loopbackUdpSocket } from "../ffi/sockets/udp_socket.ts";
import { inNewNetns, isRoot } from "../ffi/testing/netns.ts";
import { type Endpoint, formatEndpoint, type IpAddress, parseEndpoint } from "../net/address.ts";
import { DESTINATIONS } from "./capture_hooks.ts";
import type { HostResources } from "./host_resources.ts";
import { UdpCapture } from "./udp_capture.ts";

const PLACE = endpoint("10.96.0.10:5353");

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  assert.ok(parsed);
  return parsed;
}

/** A helper's end of UDP, which has so many addresses to send from; in a network namespace of its own. */
function inCapture(known: ReadonlySet<string>, body: (open: (to: Endpoint) => string) => void): void {
  inNewNetns(() => {
    using netlink = new Netlink();
    linkUp(netlink, 1);
    const device = {
      name: "lo",
      get senders() {
        return known.size;
      },
      hasSender: ({ text }: IpAddress) => known.has(text),
      addSender() {},
    };
    const capture = { has: () => true, steerDatagramsTo() {} };
    const host = { capture, device, netlink } as unknown as HostResources;
    body((to) => {
      const fd = loopbackUdpSocket(to.address.family);
      try {
        using udp = new UdpCapture(host, { uid: 0, netns: netnsOf(fd) ?? assert.fail("no socket") });
        udp.open(to, [fd]);
        const { address, port } = localEndpoint(fd);
        return formatEndpoint(address.text, port);
      } finally {
        closeDescriptor(fd);
      }
    });
  });
}

/** Binds a UDP socket to all addresses. */
function wildcard(port: number, shares: boolean): number {
  const fd = must("socket", libc.socket(AF_INET, SOCK_DGRAM, 0));
  if (shares) setOption(fd, 1, 2, 1); // SO_REUSEADDR
  const name = socketAddress(endpoint(`0.0.0.0:${port}`));
  must("bind", libc.bind(fd, name, name.length));
  return fd;
}

Deno.test({
  name: "with as many addresses to send from as there may be, known ones are opened (needs root)",
  ignore: !isRoot,
}, () => {
  const known = new Set(Array.from({ length: DESTINATIONS - 1 }, (_, i) => `address ${i}`));
  inCapture(known.add(PLACE.address.text), (open) => {
    assert.equal(open(PLACE), "10.96.0.10:5353");
    assert.throws(() => open(endpoint("10.96.0.11:53")), /4096 destinations of UDP are open already/);
  });
});

Deno.test({
  name:
    "a port is shared with a program on all addresses that shares it too; else the refusal says so (needs root)",
  ignore: !isRoot,
}, () => {
  inCapture(new Set(), (open) => {
    const sharing = wildcard(5353, true);
    assert.equal(open(PLACE), "10.96.0.10:5353");
    closeDescriptor(sharing);
    const alone = wildcard(5353, false);
    assert.throws(() => open(PLACE), /^Error: another program of this laptop has UDP port 5353$/);
    closeDescriptor(alone);
    assert.equal(open(PLACE), "10.96.0.10:5353");
  });
});
