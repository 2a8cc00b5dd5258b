// The unprivileged end of the helper, driven line by line: what a daemon asks, and what a hostile one would.
import dgram from "node:dgram";
import { Beat } from "../../../ffi/bpf/mmap.ts";
import { type Received, SeqPacket } from "../../../ffi/sockets/seqpacket.ts";
import {
  addressOfBuffer,
  AF_UNIX,
  cstring,
  errno,
  libc,
  must,
  SOCK_CLOEXEC,
  SOCK_SEQPACKET,
  SystemCallError,
} from "../../../ffi/libc.ts";
import {
  closeDescriptor,
  socketAddress,
  startConnect,
  tcpListener,
  tcpSocket,
} from "../../../ffi/sockets/socket.ts";
import { boundDescriptorOf } from "../../../ffi/sockets/own_socket.ts";
import type { TcpConnection } from "../../../ffi/sockets/tcp_connection.ts";
import { TcpListener } from "../../../ffi/sockets/tcp_listener.ts";
import { loopbackUdpSocket } from "../../../ffi/sockets/udp_socket.ts";
import { openStub, type StubSockets } from "../../../names/server/stub_listener.ts";
import { formatEndpoint, type IpAddress, parseAddress, parseEndpoint } from "../../../net/address.ts";
import { type HelperAnswer, helperSocket, type NetworkNews } from "../../../wire/helper.ts";
import { say, serveCommands } from "./commands.ts";
import { FakeUdp } from "./fake_udp.ts";

/** Where a stranger hands descriptors over. */
export const STRANGER = "/run/deno/stranger.sock";

const { sendto } = Deno.dlopen("libc.so.6", {
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "pointer", "u32"], result: "isize" },
}).symbols;
const stubs: StubSockets[] = [];
const udp = new FakeUdp(async (request, fds = []) => {
  const answer = await ask(request, fds) as HelperAnswer;
  if (!answer.ok) throw new Error(answer.error);
  return answer;
});
const news: NetworkNews["network"][] = [];
let helper: SeqPacket;
let socket = -1;
let listeners: readonly number[] = [];
let beating: ReturnType<typeof setInterval> | undefined;

/** The next message that is no news. */
async function receive(): Promise<Received | undefined> {
  for (;;) {
    const received = await helper.receive();
    const message = received?.message as Partial<NetworkNews> | undefined; // the helper's own
    if (!message?.network) return received;
    news.push(message.network);
  }
}

/** What the helper has told of the machine's network since the last time. */
async function heard(): Promise<unknown> {
  await ask({ ask: "release", addresses: [] }); // its answer comes after all that was told before
  return news.splice(0);
}

let asking: Promise<unknown> = Promise.resolve();

/** One question at a time: sockets of UDP are opened while commands are carried out. */
function ask(request: unknown, fds: readonly number[] = []): Promise<unknown> {
  return asking = asking.then(() => askNow(request, fds));
}

async function askNow(request: unknown, fds: readonly number[]): Promise<unknown> {
  helper.send(request, fds);
  const received = await receive();
  if (!received) return { gone: true };
  for (const fd of received.fds) {
    const beat = new Beat(fd);
    beat.beat(0);
    clearInterval(beating);
    beating = setInterval(() => beat.beat(0), 500);
    closeDescriptor(fd);
  }
  return received.message;
}

/** Listeners for `workers`, each of which tells whom it took from whom, says what it's told to `echo`, and stays until it's told to break off or its client is gone. */
async function listen(family: 4 | 6, workers: number): Promise<unknown> {
  const address = family === 4 ? "127.0.0.1" : "::1";
  listeners = Array.from(
    { length: workers },
    (_, worker) =>
      new TcpListener(address, (connection) => void took(worker, connection).catch(() => {})).descriptor,
  );
  return await ask({ ask: "listeners", family }, listeners);
}

async function took(worker: number, connection: TcpConnection): Promise<void> {
  const { local, remote } = connection;
  const own = formatEndpoint(local.address.text, local.port);
  const text = `worker ${worker} took ${own} from ${remote.address.text}`;
  await connection.write(new TextEncoder().encode(text));
  const bytes = new Uint8Array(64);
  let length = 0;
  let said = "";
  do {
    length = await connection.read(bytes) ?? 0;
    said = new TextDecoder().decode(bytes.subarray(0, length));
    if (said.startsWith("echo ")) await connection.write(bytes.subarray(5, length));
  } while (said.startsWith("echo "));
  // Later than the kernel confirms the client's end: the client's socket is gone by then.
  if (length === 0) setTimeout(() => connection.close(), 100);
  else if (said === "break off") connection.abort();
}

/** A stub for each nameserver, which says what it was asked. */
async function nameservers(addresses: readonly string[]): Promise<unknown> {
  const open: { nameserver: string; stub: string; fds: number[] }[] = [];
  for (const [i, nameserver] of addresses.entries()) {
    const sockets = await openStub(nameserver.includes(":") ? "::1" : `127.77.0.${i + 1}`);
    stubs.push(sockets);
    const stub = formatEndpoint(sockets.end.address, sockets.end.port);
    sockets.udp.on("message", (asked, { address, port }) => {
      sockets.udp.send(`stub for ${nameserver} heard ${asked}`, port, address);
    });
    void (async () => {
      for await (const conn of sockets.tcp) {
        await conn.write(new TextEncoder().encode(`stub for ${nameserver} by TCP`));
        conn.close();
      }
    })();
    open.push({
      nameserver,
      stub,
      fds: (["udp", "tcp"] as const).map((type) =>
        boundDescriptorOf(type, sockets.end.address, sockets.end.port)
      ),
    });
  }
  const answer = await ask(
    { ask: "names", stubs: open.map(({ nameserver, stub }) => ({ nameserver, stub })) },
    open.flatMap(({ fds }) => fds),
  );
  return { answer, stubs: open.map(({ stub }) => stub) };
}

/** Asks a nameserver as the daemon itself; "nothing" when no answer comes. */
async function forward(server: string): Promise<string> {
  const [hostname = "", port] = server.split(":");
  const udp = dgram.createSocket("udp4");
  const answer = Promise.withResolvers<string>();
  udp.on("message", (message) => answer.resolve(message.toString()));
  udp.on("error", (error) => answer.reject(error));
  const timer = setTimeout(() => answer.resolve("nothing"), 1000);
  try {
    udp.send("own", Number(port), hostname);
    return await answer.promise;
  } finally {
    clearTimeout(timer);
    udp.close();
  }
}

async function identify(address: string): Promise<string> {
  const parsed = parseAddress(address);
  if (!parsed) throw new TypeError(`${address} is not an address`);
  const fd = tcpSocket(4);
  try {
    await ask({ ask: "identify" }, [fd]);
    startConnect(fd, { address: parsed, port: 1 });
    return "connected";
  } catch (error) {
    return (error as Error).name;
  } finally {
    closeDescriptor(fd);
  }
}

/** Descriptors that aren't listeners, by what they are. */
async function offered(what: string): Promise<number> {
  switch (what) {
    case "a folder":
      return must("open", libc.open(cstring("/"), 0, 0));
    case "a pipe":
      return 0;
    case "a unix socket":
      return must("socket", libc.socket(1, 1, 0));
    case "a UDP socket":
      return must("socket", libc.socket(2, 2, 0));
    case "a UDP socket on loopback":
      return loopbackUdpSocket(4);
    case "a UDP socket on the LAN": {
      const fd = must("socket", libc.socket(2, 2, 0));
      const name = socketAddress({ address: parsed("10.50.0.5"), port: 0 });
      must("bind", libc.bind(fd, name, name.length));
      return fd;
    }
    case "a socket that doesn't listen":
      return tcpSocket(4);
    case "a listener of IPv6":
      return tcpListener({ address: "::1" });
    case "a listener on all addresses":
      return tcpListener({ address: "0.0.0.0" });
    case "a listener on the LAN":
      return tcpListener({ address: "10.50.0.5" });
    case "what a stranger hands over": {
      using stranger = SeqPacket.connect(STRANGER);
      const fd = (await stranger.receive())?.fds[0];
      if (fd !== undefined) return fd;
    }
  }
  throw new TypeError(`there's no ${what}`);
}

/** Tries to make a listener that was taken send from an address that isn't the machine's. */
function abuse(from: string, to: string): Record<string, string> {
  const fd = listeners[0];
  const [near, far] = [parseEndpoint(from), parseEndpoint(to)];
  if (fd === undefined || !near || !far) throw new TypeError("nothing to abuse");
  const tried = (result: number) => result < 0 ? names(errno()) : "done";
  const unbind = tried(libc.setsockopt(fd, 1, 25, cstring(""), 1));
  const disconnect = tried(libc.connect(fd, new Uint8Array(16), 16)); // AF_UNSPEC
  const bind = tried(libc.bind(fd, socketAddress(near), 16));
  const connect = tried(libc.connect(fd, socketAddress(far), 16));
  return { unbind, disconnect, bind, connect };
}

/** The same by a destination's UDP socket: it may give up its device, and name another source for each datagram (IP_PKTINFO). */
function abuseUdp(socket: string, from: string, to: string): Record<string, string> {
  const [near, far] = [parseEndpoint(socket), parseEndpoint(to)];
  if (!near || !far) throw new TypeError("nothing to abuse");
  const fd = boundDescriptorOf("udp", near.address.text, near.port);
  const tried = (result: number | bigint) => result < 0 ? names(errno()) : "done";
  const on = new Uint8Array(new Int32Array([1]).buffer);
  const transparent = tried(libc.setsockopt(fd, 0, 19, on, 4));
  const disconnect = tried(libc.connect(fd, new Uint8Array(16), 16)); // AF_UNSPEC
  const bind = tried(libc.bind(fd, socketAddress({ address: parsed(from), port: 5_555 }), 16));
  const target = socketAddress(far);
  const data = new Uint8Array(4);
  const iovec = new Uint8Array(new BigUint64Array([addressOfBuffer(data), 4n]).buffer);
  const control = new Uint8Array(32); // struct cmsghdr and struct in_pktinfo
  const view = new DataView(control.buffer);
  view.setBigUint64(0, 28n, true);
  view.setInt32(12, 8, true); // IP_PKTINFO
  control.set(parsed(from).bytes.subarray(12), 20);
  const header = new Uint8Array(
    new BigUint64Array([
      addressOfBuffer(target),
      16n,
      addressOfBuffer(iovec),
      1n,
      addressOfBuffer(control),
      32n,
      0n,
    ]).buffer,
  );
  const send = tried(libc.sendmsg(fd, header, 0));
  target.fill(0); // all of these are reachable until here
  iovec.fill(0);
  control.fill(0);
  return { transparent, disconnect, bind, send };
}

function parsed(text: string): IpAddress {
  const address = parseAddress(text);
  if (!address) throw new TypeError(`${text} is not an address`);
  return address;
}

function names(errno: number): string {
  return new SystemCallError("", errno).message.replace(/^: /, "");
}

async function serve(command: Record<string, unknown>): Promise<unknown> {
  switch (command.do) {
    case "ask":
      return await ask(command.request);
    case "news":
      return await heard();
    case "receive":
      return (await receive())?.message ?? { gone: true };
    case "bytes": { // what is no JSON, or too long
      const bytes = new TextEncoder().encode(String(command.text));
      must("send", sendto(socket, bytes, BigInt(bytes.length), 0, null, 0));
      return (await receive())?.message ?? { gone: true };
    }
    case "offer": {
      if (command.fds) return await ask(command.request, command.fds as number[]);
      const fd = await offered(String(command.what));
      try {
        return await ask(command.request ?? { ask: "listeners", family: 4 }, [fd]);
      } finally {
        if (fd > 2) closeDescriptor(fd);
      }
    }
    case "abuse":
      return abuse(String(command.from), String(command.to));
    case "abuse udp":
      return abuseUdp(String(command.socket), String(command.from), String(command.to));
    case "identify":
      return await identify(String(command.address));
    case "listen":
      return await listen(command.family as 4 | 6, Number(command.workers ?? 1));
    case "udp":
      return await udp.carry();
    case "udp news":
      return udp.news();
    case "names":
      return await nameservers(command.nameservers as string[]);
    case "forward":
      return await forward(String(command.server));
    case "stop beating":
      clearInterval(beating);
      return null;
  }
  throw new TypeError(`there's no command ${command.do}`);
}

function connect(uid: number): SeqPacket {
  const path = cstring(helperSocket(uid));
  socket = must("socket", libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  must("connect", libc.connect(socket, new Uint8Array([AF_UNIX, 0, ...path]), 2 + path.length));
  return new SeqPacket(socket);
}

if (import.meta.main) {
  try {
    helper = connect(Number(Deno.args[0] ?? Deno.uid()));
    await serveCommands(serve);
  } catch (error) {
    say({ failed: (error as Error).message });
  }
}
