// The unprivileged end of the helper, driven line by line: what a daemon asks, and what a hostile one would.
import { adoptListener } from "../../../ffi/adopt.ts";
import { Beat } from "../../../ffi/mmap.ts";
import { SeqPacket } from "../../../ffi/seqpacket.ts";
import { closeDescriptor, tcpListener } from "../../../ffi/socket.ts";
import { descriptorOf } from "../../../daemon/names/descriptors.ts";
import { openStandIn, type StandInSockets } from "../../../daemon/names/stand_in.ts";
import { formatEndpoint } from "../../../wire/address.ts";
import { helperSocket } from "../../../wire/helper.ts";
import { serveCommands } from "./commands.ts";

const helper = SeqPacket.connect(helperSocket(Deno.uid() ?? -1));
const standIns: StandInSockets[] = [];
let beating: ReturnType<typeof setInterval> | undefined;

async function ask(request: unknown, fds: readonly number[] = []): Promise<unknown> {
  helper.send(request, fds);
  const received = await helper.receive();
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

/** Listeners for `workers`, each of which tells whom it took from whom, and stays. */
async function listen(family: 4 | 6, workers: number): Promise<unknown> {
  const fds = Array.from(
    { length: workers },
    () => tcpListener({ address: family === 4 ? "127.0.0.1" : "::1" }),
  );
  const answer = await ask({ ask: "listeners", family }, fds);
  fds.forEach((fd, worker) =>
    adoptListener(fd, async (socket) => {
      const { local, remote } = socket;
      const text = `worker ${worker} took ${
        formatEndpoint(local.address.text, local.port)
      } from ${remote.address.text}`;
      await socket.write(new TextEncoder().encode(text)).catch(() => {});
    })
  );
  return answer;
}

/** A stand-in for each nameserver, which says what it was asked. */
async function nameservers(addresses: readonly string[]): Promise<unknown> {
  const open: { nameserver: string; standIn: string; fds: number[] }[] = [];
  for (const [i, nameserver] of addresses.entries()) {
    const sockets = await openStandIn(nameserver.includes(":") ? "::1" : `127.77.0.${i + 1}`);
    standIns.push(sockets);
    const standIn = formatEndpoint(sockets.end.address, sockets.end.port);
    sockets.udp.on("message", (asked, { address, port }) => {
      sockets.udp.send(`stand-in for ${nameserver} heard ${asked}`, port, address);
    });
    void (async () => {
      for await (const conn of sockets.tcp) {
        await conn.write(new TextEncoder().encode(`stand-in for ${nameserver} by TCP`));
        conn.close();
      }
    })();
    open.push({
      nameserver,
      standIn,
      fds: [await descriptorOf("udp", sockets.end), await descriptorOf("tcp", sockets.end)],
    });
  }
  const answer = await ask(
    { ask: "names", standIns: open.map(({ nameserver, standIn }) => ({ nameserver, standIn })) },
    open.flatMap(({ fds }) => fds),
  );
  return { answer, standIns: open.map(({ standIn }) => standIn) };
}

/** Asks a nameserver as the daemon itself. */
async function forward(server: string): Promise<string> {
  const [hostname = "", port] = server.split(":");
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
  const timer = setTimeout(() => socket.close(), 1000);
  try {
    await socket.send(new TextEncoder().encode("own"), { transport: "udp", hostname, port: Number(port) });
    const [bytes] = await socket.receive();
    return new TextDecoder().decode(bytes);
  } finally {
    clearTimeout(timer);
    try {
      socket.close();
    } catch { /* timed out */ }
  }
}

async function knock(address: string): Promise<string> {
  try {
    (await Deno.connect({ hostname: address, port: 1 })).close();
    return "connected";
  } catch (error) {
    return (error as Error).name;
  }
}

await serveCommands(async (command) => {
  switch (command.do) {
    case "ask":
      return await ask(command.request);
    case "raw": // a message that is no JSON, or with descriptors that belong to nothing
      return await ask(command.request, [0, 1, 2]);
    case "offer": // any descriptors as listeners
      return await ask({ ask: "listeners", family: 4 }, command.fds as number[]);
    case "folder":
      return Deno.openSync("/") && await ask({ ask: "listeners", family: 4 }, [await firstFolder()]);
    case "knock":
      return await knock(String(command.address));
    case "listen":
      return await listen(command.family as 4 | 6, Number(command.workers ?? 1));
    case "names":
      return await nameservers(command.nameservers as string[]);
    case "forward":
      return await forward(String(command.server));
    case "stop beating":
      clearInterval(beating);
      return null;
  }
  throw new TypeError(`there's no command ${command.do}`);
});

function firstFolder(): Promise<number> {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === "/") return Promise.resolve(Number(name));
    } catch { /* closed meanwhile */ }
  }
  return Promise.reject(new Error("no folder is open"));
}
