// Somebody's programs on the laptop: connects and queries, by the C library so that each step is exactly what is asked for.
import {
  AF_INET,
  AF_INET6,
  libc,
  must,
  SOCK_DGRAM,
  SOCK_STREAM,
  SystemCallError,
} from "../../../ffi/libc.ts";
import { endpointOf, localEndpoint, resetConnection, socketAddress } from "../../../ffi/sockets/socket.ts";
import { cstring } from "../../../ffi/libc.ts";
import { formatEndpoint, parseAddress, parseEndpoint } from "../../../net/address.ts";
import { serveCommands } from "./commands.ts";
import { sendFrom } from "./named_source.ts";

const { getpeername, recvfrom, sendto } = Deno.dlopen("libc.so.6", {
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  recvfrom: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "buffer"], result: "isize" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
}).symbols;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_BINDTODEVICE = 25;
/** How a datagram begins whose number is to be looked at. */
export const NUMBERED = "number";
const DONTWAIT = 0x40;

/** What a person wants of the network. */
export interface Attempt {
  readonly kind: "tcp" | "udp";
  readonly to: string;
  readonly from?: string;
  /** Of UDP: sent without a connect before. */
  readonly unconnected?: boolean;
  /** By an IPv6 socket and a v4-mapped address, as Java and .NET do. */
  readonly mapped?: boolean;
  readonly device?: string;
  /** Of UDP and IPv4: the index of the device that it sends by (IP_UNICAST_IF), which it isn't bound to. */
  readonly by?: number;
  readonly say?: string;
  /** Whether it binds to an address that isn't the machine's. */
  readonly freebind?: boolean;
  /** Of UDP: the address that each datagram names as its source (IP_PKTINFO). */
  readonly source?: string;
  /** Whether it waits for an answer; it does where this isn't said. */
  readonly wait?: boolean;
  /** Of TCP: reads until the connection ends. */
  readonly linger?: boolean;
  /** Of TCP: resets the connection at its end. */
  readonly reset?: boolean;
}

/** How it went: an errno, or what came back, and between whom. */
export interface Outcome {
  readonly failed?: string;
  readonly at?: string;
  readonly ms: number;
  readonly local?: string;
  readonly peer?: string;
  readonly sender?: string;
  readonly said?: string;
}

function attempt(
  { kind, to, from, unconnected, mapped, device, by, freebind, source, say, wait, linger, reset }: Attempt,
): Outcome {
  const started = performance.now();
  const ms = () => Math.round(performance.now() - started);
  const family = endpoint(to).address.family === 4 && !mapped ? AF_INET : AF_INET6;
  const fd = must("socket", libc.socket(family, kind === "tcp" ? SOCK_STREAM : SOCK_DGRAM, 0));
  const patience = new Uint8Array(new BigInt64Array([linger ? 5n : 1n, 0n]).buffer);
  let at = "";
  const step = (what: string, result: number | bigint) => (at = what, must(what, result));
  try {
    step("timeouts", libc.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, patience, 16));
    step("timeouts", libc.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, patience, 16));
    if (device) {
      step("device", libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, cstring(device), device.length + 1));
    }
    if (by !== undefined) {
      const index = new Uint8Array(4);
      new DataView(index.buffer).setUint32(0, by);
      step("unicast", libc.setsockopt(fd, 0, 50, index, 4));
    }
    if (freebind) {
      const [level, option] = family === AF_INET ? [0, 15] : [41, 78]; // IP_FREEBIND, IPV6_FREEBIND
      step("freebind", libc.setsockopt(fd, level, option, new Uint8Array(new Int32Array([1]).buffer), 4));
    }
    if (from) step("bind", libc.bind(fd, name(from, mapped), mapped ? 28 : name(from).length));
    const target = name(to, mapped);
    if (!unconnected) step("connect", libc.connect(fd, target, target.length));
    // Before anything is sent: one that was reset meanwhile has no peer any more.
    const peer = unconnected ? undefined : whoIs(fd);
    const text = new TextEncoder().encode(say ?? "");
    const named = source === undefined ? undefined : parseAddress(source);
    if (named) {
      const kind = family === AF_INET ? 4 : 6;
      step("sendmsg", sendFrom(fd, kind, named, text, unconnected ? target : undefined));
    } else if (unconnected) step("sendto", sendto(fd, text, BigInt(text.length), 0, target, target.length));
    else if (say !== undefined) step("send", libc.send(fd, text, BigInt(text.length), 0x4000));
    const into = new Uint8Array(4096), sender = new Uint8Array(28);
    const size = new Uint8Array(new Uint32Array([28]).buffer);
    let length = step("recv", recvfrom(fd, into, 4096n, wait === false ? DONTWAIT : 0, sender, size));
    while (linger && length > 0) length = step("recv", recvfrom(fd, into, 4096n, 0, sender, size));
    return {
      ms: ms(),
      said: new TextDecoder().decode(into.subarray(0, length)),
      local: formatted(localEndpoint(fd)),
      ...(peer ? { peer } : {}),
      ...(kind === "udp" ? { sender: formatted(endpointOf(sender)) } : {}),
    };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return { ms: ms(), at, failed: error.message.replace(/^.*: /, "") };
  } finally {
    if (reset) resetConnection(fd);
    libc.close(fd);
  }
}

function whoIs(fd: number): string {
  const name = new Uint8Array(28);
  must("getpeername", getpeername(fd, name, new Uint8Array(new Uint32Array([28]).buffer)));
  return formatted(endpointOf(name));
}

function name(text: string, mapped = false): Uint8Array<ArrayBuffer> {
  const to = endpoint(text);
  if (!mapped) return socketAddress(to);
  const bytes = new Uint8Array(28);
  new DataView(bytes.buffer).setUint16(0, AF_INET6, true);
  new DataView(bytes.buffer).setUint16(2, to.port);
  bytes.set(to.address.bytes, 8);
  return bytes;
}

function endpoint(text: string) {
  const parsed = parseEndpoint(text);
  if (!parsed) throw new TypeError(`${text} is not a valid address and port`);
  return parsed;
}

function formatted({ address, port }: ReturnType<typeof localEndpoint>): string {
  return formatEndpoint(address.text, port);
}

/** Asks again and again, and wants no answer. */
function flood({ to, ms }: { to: string; ms: number }): { sent: number } {
  let sent = 0;
  const target = name(to);
  const fd = must("socket", libc.socket(AF_INET, SOCK_DGRAM, 0));
  for (const until = performance.now() + ms; performance.now() < until;) {
    if (sendto(fd, new Uint8Array(4), 4n, DONTWAIT, target, target.length) > 0) sent++;
  }
  libc.close(fd);
  return { sent };
}

/** Connects again and again by TCP, to what refuses it at once, without a pause or so often a second. */
async function retry({ to, ms, perSecond }: { to: string; ms: number; perSecond?: number }) {
  const target = name(to);
  let tried = 0;
  const began = performance.now();
  for (let now = began; now - began < ms; now = performance.now()) {
    const fd = must("socket", libc.socket(AF_INET, SOCK_STREAM, 0));
    if (libc.connect(fd, target, target.length) < 0) tried++;
    libc.close(fd);
    const early = perSecond === undefined ? 0 : began + tried * 1_000 / perSecond - performance.now();
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
  }
  return { tried, pid: Deno.pid };
}

/** Milliseconds until an address that other processes hold has to be free: a busy machine takes its time. */
const FREE_MS = 10_000;

/** What a squatter does: binds an address as soon as it's free, the machine's or not, then counts what arrives in so many milliseconds. */
export interface Squat {
  readonly to: string;
  readonly ms: number;
  /** Whether it takes a port that others share (SO_REUSEADDR). */
  readonly share?: boolean;
}

function squat({ to, ms, share }: Squat): { bound: boolean; heard: number } {
  const fd = must("socket", libc.socket(AF_INET, SOCK_DGRAM, 0));
  if (share) {
    const on = new Uint8Array(new Int32Array([1]).buffer);
    for (const [level, option] of [[SOL_SOCKET, 2], [0, 15]] as const) { // SO_REUSEADDR, IP_FREEBIND
      must("setsockopt", libc.setsockopt(fd, level, option, on, 4));
    }
  }
  const place = name(to);
  let bound = false;
  let heard = 0;
  for (const until = performance.now() + FREE_MS; !bound && performance.now() < until;) {
    bound = libc.bind(fd, place, place.length) === 0;
  }
  for (const until = performance.now() + ms; performance.now() < until;) {
    if (libc.recv(fd, new Uint8Array(64), 64n, DONTWAIT) > 0) heard++;
  }
  libc.close(fd);
  return { bound, heard };
}

/** Sends so many numbered datagrams, 100 a millisecond, and wants no answers. */
function burst({ to, count, bytes }: { to: string; count: number; bytes: number }): { sent: number } {
  const target = name(to);
  const family = endpoint(to).address.family === 4 ? AF_INET : AF_INET6;
  const fd = must("socket", libc.socket(family, SOCK_DGRAM, 0));
  must("connect", libc.connect(fd, target, target.length));
  const datagram = new Uint8Array(bytes);
  datagram.set(new TextEncoder().encode(NUMBERED));
  const view = new DataView(datagram.buffer);
  for (let i = 0; i < count; i++) {
    view.setUint32(NUMBERED.length, i);
    must("send", libc.send(fd, datagram, BigInt(bytes), 0));
    for (const until = performance.now() + 1; i % 100 === 0 && performance.now() < until;);
  }
  libc.close(fd);
  return { sent: count };
}

/** Sends by a connected socket every few milliseconds, whatever becomes of it, and tells which errors it got. */
async function stream({ to, ms }: { to: string; ms: number }): Promise<{ sent: number; failed: string[] }> {
  const target = name(to);
  const family = endpoint(to).address.family === 4 ? AF_INET : AF_INET6;
  const fd = must("socket", libc.socket(family, SOCK_DGRAM, 0));
  must("connect", libc.connect(fd, target, target.length));
  const text = new TextEncoder().encode("silence");
  const failed = new Set<string>();
  let sent = 0;
  for (const until = performance.now() + ms; performance.now() < until;) {
    try {
      must("send", libc.send(fd, text, BigInt(text.length), DONTWAIT));
      sent++;
    } catch (error) {
      failed.add((error as Error).message);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  libc.close(fd);
  return { sent, failed: [...failed] };
}

/** The address that a socket has which is connected and sends nothing, as getaddrinfo's. */
function routedSource(to: string): { local: string } {
  const target = name(to);
  const family = endpoint(to).address.family === 4 ? AF_INET : AF_INET6;
  const fd = must("socket", libc.socket(family, SOCK_DGRAM, 0));
  must("connect", libc.connect(fd, target, target.length));
  const local = formatted(localEndpoint(fd));
  libc.close(fd);
  return { local };
}

let held = -1;

/** Opens a connection that stays, and reads what it is greeted with. */
function hold(to: string): { said: string } {
  const target = name(to);
  const family = endpoint(to).address.family === 4 ? AF_INET : AF_INET6;
  held = must("socket", libc.socket(family, SOCK_STREAM, 0));
  const patience = new Uint8Array(new BigInt64Array([5n, 0n]).buffer);
  must("timeouts", libc.setsockopt(held, SOL_SOCKET, SO_RCVTIMEO, patience, 16));
  must("connect", libc.connect(held, target, target.length));
  return { said: readHeld() };
}

/** Says something on the connection that stays, and gives its answer, or why there is none. */
function echo(say: string): { said?: string; failed?: string } {
  try {
    const text = new TextEncoder().encode(`echo ${say}`);
    must("send", libc.send(held, text, BigInt(text.length), 0x4000));
    return { said: readHeld() };
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return { failed: error.message };
  }
}

function readHeld(): string {
  const into = new Uint8Array(4096);
  return new TextDecoder().decode(into.subarray(0, must("recv", libc.recv(held, into, 4096n, 0))));
}

if (import.meta.main) {
  await serveCommands((command) => {
    const { kind } = command;
    if (kind === "hold") return hold(String(command.to));
    if (kind === "stream") return stream({ to: String(command.to), ms: Number(command.ms) });
    if (kind === "source") return routedSource(String(command.to));
    if (kind === "burst") {
      return burst({ to: String(command.to), count: Number(command.count), bytes: Number(command.bytes) });
    }
    if (kind === "echo") return echo(String(command.say));
    if (kind === "retry") {
      return retry({
        to: String(command.to),
        ms: Number(command.ms),
        ...(command.perSecond === undefined ? {} : { perSecond: Number(command.perSecond) }),
      });
    }
    if (kind === "flood" || kind === "squat") {
      const given = { to: String(command.to), ms: Number(command.ms), share: command.share === true };
      return kind === "flood" ? flood(given) : squat(given);
    }
    return attempt(command as unknown as Attempt);
  });
}
