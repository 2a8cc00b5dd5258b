/** For tests: programs that answer HTTP/2 on loopback, and one that is written by hand; and the requests that they get. */
import { until } from "../../../async/testing/until.ts";
import { Connection, type ConnectionOptions, type Header, joined, type Stream } from "../../../hbone/mod.ts";
import { FRAME_HEADER, PREFACE, readUint24, readUint31 } from "../../../hbone/frames/frame.ts";
import type { Frame } from "../../../hbone/testing/by_hand.ts";
import { writeAll } from "../../../http/byte_reader.ts";

const alice = { headers: [{ name: "x-user", exact: "alice" }] };
export const request = (path: string, ...fields: Header[]): Header[] => [
  [":method", "POST"],
  [":scheme", "http"],
  [":authority", "echo"],
  [":path", path],
  ["user-agent", "frames"],
  ...fields,
];
export const hers = (path: string) => request(path, ["x-user", "alice"]);

export type Answer = (stream: Stream, connection: Connection) => Promise<void> | void;

export async function read(stream: Stream): Promise<number> {
  const into = new Uint8Array(8 * 1024);
  let all = 0;
  for (let n; (n = await stream.read(into)) !== null;) all += n;
  return all;
}

export async function write(stream: Stream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
}

/** Says its name, the path and how much it got; "/big/N" is answered with N bytes. */
const says = (name: string): Answer => async (stream) => {
  const got = await read(stream);
  const path = stream.request.find(([name]) => name === ":path")?.[1] ?? "";
  stream.respond([[":status", "200"], ["server", name], ["x-path", path]]);
  const size = /^\/big\/([0-9]+)/.exec(path)?.[1];
  if (size !== undefined) await write(stream, new Uint8Array(Number(size)));
  else await write(stream, new TextEncoder().encode(`${name} ${path} ${got}`));
  await stream.closeWrite();
};

export function server(name: string, options: Partial<ConnectionOptions> & { answer?: Answer } = {}) {
  const { answer = says(name), ...rest } = options;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections: Connection[] = [];
  const sockets: Deno.TcpConn[] = [];
  const accepting = (async () => {
    for await (const socket of listener) {
      sockets.push(socket);
      const connection: Connection = new Connection(socket, {
        role: "server",
        ...rest,
        onStream: (stream) => void (async () => await answer(stream, connection))().catch(() => {}),
      });
      connections.push(connection);
    }
  })();
  return {
    port: listener.addr.port,
    connections,
    sockets,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      for (const connection of connections) connection.abort();
      await Promise.all(connections.map(({ closed }) => closed));
    },
  };
}

export const rules = ({ port }: { port: number }) => [{ match: alice, port }];

/** A pod that is written by hand: it keeps the frames that it gets, and says what it is told to. */
export function handPod() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const sockets: Deno.TcpConn[] = [];
  const reading: Promise<void>[] = [];
  let gate = Promise.resolve();
  let open = () => {};
  async function read(socket: Deno.TcpConn) {
    const into = new Uint8Array(256 * 1024);
    let rest: Uint8Array = new Uint8Array(0);
    for (let isPreface = true;;) {
      // Its preface is read at once.
      if (!isPreface) await gate;
      const n = await socket.read(into).catch(() => null);
      if (n === null) return;
      pod.bytes += n;
      rest = joined([rest, into.slice(0, n)]);
      if (isPreface && rest.length < PREFACE.length) continue;
      let at = isPreface ? PREFACE.length : 0;
      isPreface = false;
      while (rest.length - at >= FRAME_HEADER) {
        const end = at + FRAME_HEADER + readUint24(rest, at);
        if (end > rest.length) break;
        const [type = 0, flags = 0] = rest.subarray(at + 3);
        pod.frames.push({
          type,
          flags,
          stream: readUint31(rest, at + 5),
          payload: rest.slice(at + FRAME_HEADER, end),
        });
        at = end;
      }
      rest = rest.slice(at);
    }
  }
  const pod = {
    port: listener.addr.port,
    bytes: 0,
    frames: [] as Frame[],
    /** Whether it has got a frame of this type and stream. */
    has: (type: number, stream: number) =>
      pod.frames.some((frame) => frame.type === type && frame.stream === stream),
    /** It reads nothing behind the preface, until it does again. */
    stall() {
      const { promise, resolve } = Promise.withResolvers<void>();
      [gate, open] = [promise, resolve];
    },
    reads: () => open(),
    async say(...bytes: number[]) {
      await pod.tell(new Uint8Array(bytes));
    },
    async tell(...frames: Uint8Array[]) {
      await until("it is connected to", () => sockets.length > 0);
      for (const socket of sockets) await writeAll(socket, joined(frames));
    },
    /** It sends nothing more. */
    async end() {
      for (const socket of sockets) await socket.closeWrite();
    },
    async [Symbol.asyncDispose]() {
      listener.close();
      open();
      await accepting;
      for (const socket of sockets) socket.close();
      await Promise.all(reading);
    },
  };
  const accepting = (async () => {
    for await (const socket of listener) {
      sockets.push(socket);
      reading.push(read(socket));
    }
  })();
  return pod;
}
