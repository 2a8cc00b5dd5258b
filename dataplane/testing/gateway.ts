/** What the tests of this room share. */
import { Connection, type Header, headerValue, type Settings, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import type { Hello } from "../../wire/hello.ts";
import { headers, HELLO_PROTOCOL } from "../../wire/streams.ts";
import type { Transport } from "../../net/transport.ts";
import { tunnelHello } from "../tunnel/connect_tunnel.ts";

/** A gateway in memory, that can be dialled again and again. */
export interface FakeGateway extends AsyncDisposable {
  dial(signal: AbortSignal): Promise<Transport>;
  /** Its ends of the connections, in the order of their dials. */
  readonly connections: Connection[];
  /** The next dials that fail, and how. */
  readonly failures: Error[];
  dials: number;
}

/** @param onStream what it does with a stream that is no hello; by default it sends back what comes. */
export function fakeGateway(
  options: {
    onStream?: (stream: Stream) => void;
    settings?: Partial<Settings>;
    hello?: Hello;
    /** Made instead of its end: one that never answers, say. */
    end?: (transport: Transport) => Connection | undefined;
  } = {},
): FakeGateway {
  const { onStream = echo, settings = {}, hello = tunnelHello } = options;
  const end = options.end ?? ((transport) =>
    new Connection(transport, {
      role: "server",
      settings,
      onStream: (stream) => {
        if (headerValue(stream.request, ":protocol") !== HELLO_PROTOCOL) return onStream(stream);
        const answer: Header[] = [[":status", "200"], [headers.hello, JSON.stringify(hello)]];
        stream.respond(answer, { end: true });
      },
    }));
  const connections: Connection[] = [];
  return {
    connections,
    failures: [],
    dials: 0,
    dial() {
      this.dials++;
      const failure = this.failures.shift();
      if (failure) return Promise.reject(failure);
      const [ours, theirs] = memoryPair();
      const connection = end(theirs);
      if (connection) connections.push(connection);
      return Promise.resolve(ours);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
    },
  };
}

/** Answers 200 and sends back what comes, until its end. */
export function echo(stream: Stream): void {
  stream.respond([[":status", "200"]]);
  const back = async () => {
    const buffer = new Uint8Array(64 * 1024);
    for (let length = await stream.read(buffer); length !== null; length = await stream.read(buffer)) {
      for (let at = 0; at < length;) at += await stream.write(buffer.subarray(at, length));
    }
    await stream.closeWrite();
  };
  back().catch(() => {}); // broken off: the other end knows
}

export async function say(to: Transport, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

/** The next `length` bytes, as text. */
export async function hear(from: Transport, length: number): Promise<string> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const got = await from.read(bytes.subarray(at));
    if (got === null) throw new Error(`the end after ${at} of ${length} bytes`);
    at += got;
  }
  return new TextDecoder().decode(bytes);
}
