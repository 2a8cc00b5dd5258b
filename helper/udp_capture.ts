import { TokenBucket } from "../async/token_bucket.ts";
import { BpfError } from "../ffi/bpf/libbpf.ts";
import { bindToDevice } from "../ffi/sockets/transparent.ts";
import { forceReceiveBuffer, rebind } from "../ffi/sockets/udp_socket.ts";
import { SystemCallError } from "../ffi/libc.ts";
import type { Endpoint, IpAddress } from "../net/address.ts";
import { DESTINATIONS } from "./capture_hooks.ts";
import { type Owner, udpRefusal } from "./descriptors.ts";
import type { HostResources } from "./host_resources.ts";
import { PortUnreachable } from "./port_unreachable.ts";
import { BadRequest, Refusal } from "./request_error.ts";
import type { Parsed } from "./requests.ts";

/** Bytes of datagrams that wait in a socket, which the system's limit would make a burst of 90. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** ICMP messages at once, and a second: as the kernel's own (net.ipv4.icmp_msgs_per_sec). */
const [BURST, PER_SECOND] = [1_000, 1_000];
const E2BIG = 7;
const EADDRINUSE = 98;

/**
 * The sockets that captured datagrams come by, which are the daemon's. Each is bound to the user's device, so that it hears nothing that
 * wasn't steered to it; no right stays with it, since a UDP socket loses its device when its owner disconnects it.
 */
export class UdpCapture implements Disposable {
  readonly #host: HostResources;
  readonly #owner: Owner;
  readonly #unreachable: PortUnreachable;
  readonly #messages = new TokenBucket(BURST, PER_SECOND);

  constructor(host: HostResources, owner: Owner) {
    this.#host = host;
    this.#owner = owner;
    this.#unreachable = new PortUnreachable(host.device);
  }

  /** @returns pmz's own address of the family @throws {BadRequest} @throws {Refusal} `unsupported` where UDP of this family can't be carried */
  carry(family: 4 | 6, fds: readonly number[]): string {
    const fd = this.#socket(fds, family);
    const own = family === 4 ? this.#host.device.own4 : this.#host.device.own6;
    if (!own) throw new Refusal("unsupported", "this machine has no IPv6");
    if (!this.#host.capture.takesUdp) {
      throw new Refusal("unsupported", "this kernel refuses the BPF program that takes UDP");
    }
    bindToDevice(fd, this.#host.device.name);
    forceReceiveBuffer(fd, RECEIVE_BUFFER);
    try {
      this.#host.capture.carryUdp(family, fd);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      throw new Refusal("unsupported", `this kernel's BPF maps take no UDP socket: ${error.message}`);
    }
    return own.text;
  }

  /** Makes a socket a destination's. The helper's copy is closed after this, so that its place is free once the daemon closes it. */
  open(destination: Endpoint, fds: readonly number[]): void {
    const { capture, device, netlink } = this.#host;
    const { address } = destination;
    const fd = this.#socket(fds, address.family);
    if (!capture.has(address)) throw new Refusal("refused", `${address.text} is not captured`);
    if (address.family === 4) {
      if (!device.hasSender(address) && device.senders >= DESTINATIONS) throw limitReached();
      device.addSender(netlink, address);
    }
    try {
      rebind(fd, destination, device.name);
    } catch (error) {
      if (!(error instanceof SystemCallError && error.errno === EADDRINUSE)) throw error;
      throw new Refusal("refused", `another program of this laptop has UDP port ${destination.port}`);
    }
    forceReceiveBuffer(fd, RECEIVE_BUFFER);
    try {
      capture.steerDatagramsTo(destination, fd);
    } catch (error) {
      if (!(error instanceof BpfError && error.errno === E2BIG)) throw error;
      throw limitReached();
    }
  }

  /** These addresses are captured no longer. */
  release(addresses: readonly IpAddress[]): void {
    this.#host.device.deleteSenders(this.#host.netlink, addresses);
  }

  /** Tells callers that a port is unreachable; what is captured no longer, and too many at once, are left out. */
  refuse(callers: Parsed<"udp-unreachable">["callers"]): void {
    for (const { address, port, caller } of callers) {
      if (this.#host.capture.has(address) && this.#messages.take()) {
        this.#unreachable.tell({ address, port }, caller);
      }
    }
  }

  #socket(fds: readonly number[], family: 4 | 6): number {
    const [fd, ...more] = fds;
    if (fd === undefined || more.length > 0) {
      throw new BadRequest(`${fds.length} is not a valid number of UDP sockets: expected 1`);
    }
    const why = udpRefusal(fd, family, this.#owner);
    if (why !== undefined) throw new Refusal("refused", `the UDP socket ${why}`);
    return fd;
  }

  [Symbol.dispose](): void {
    this.#unreachable[Symbol.dispose]();
  }
}

function limitReached(): Refusal {
  return new Refusal("limit", `${DESTINATIONS} destinations of UDP are open already: the limit`);
}
