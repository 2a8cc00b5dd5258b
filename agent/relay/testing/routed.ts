/** For tests: a caller's connection to a port with personal rules, its pod, and the laptops of the rules. */
import { BufferPool, Connection, headerValue, type Stream } from "../../../hbone/mod.ts";
import { memoryPair } from "../../../hbone/testing/memory_transport.ts";
import { MessageBody } from "../../../http/message_body.ts";
import { ByteReader, writeAll } from "../../../http/byte_reader.ts";
import { persists } from "../../../http/persistence.ts";
import type { AbortableTransport } from "../../../net/transport.ts";
import type { Match } from "../../../wire/match.ts";
import { Matcher } from "../../routing/matcher.ts";
import { RoutableRequest } from "../../routing/request.ts";
import { Router } from "../../routing/router.ts";
import { uid } from "../../testing/laptop.ts";
import { MirrorLimits } from "../mirror_limits.ts";
import { carry } from "../intercepted_connection.ts";
import { Places } from "../places.ts";
import type { Upstreams } from "../upstreams.ts";

/** Serves one connection. */
export type Server = (transport: AbortableTransport, received: Received) => Promise<void>;

/** What the connections to one server got, all of them. */
export class Received {
  bytes: number[] = [];
  connections = 0;

  get text(): string {
    return String.fromCharCode(...this.bytes);
  }
}

/** Notes what is read. */
export function noted(transport: AbortableTransport, received: Received) {
  return {
    read: async (into: Uint8Array) => {
      const count = await transport.read(into);
      for (const byte of into.subarray(0, count ?? 0)) received.bytes.push(byte);
      return count;
    },
  };
}

/** Answers each request with its own name and the request's target; what it doesn't understand it only takes. */
export const httpServer = (name: string): Server => async (transport, received) => {
  received.connections++;
  const reader = new ByteReader(noted(transport, received));
  try {
    for (;;) {
      const head = await reader.head(64 * 1024);
      if (!head) break;
      const request = new RoutableRequest(head.slice());
      const body = new MessageBody(request.bodyLength);
      for (;;) {
        reader.skip(body.take(reader.buffered));
        if (body.complete) break;
        if (!await reader.more()) throw new Error("the caller ended within its body");
      }
      const text = `${name} ${request.head.target}\n`;
      const answer = request.method === "HEAD" ? "" : text;
      await writeAll(
        transport,
        bytesOf(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${answer}`),
      );
      if (persists(request.head)) continue;
      await transport.closeWrite();
      const into = new Uint8Array(4096);
      const source = noted(transport, received);
      while (await source.read(into) !== null);
    }
  } catch {
    // Not a request that this server understands, or the other side is gone.
    await writeAll(transport, bytesOf(`${name} takes all\n`)).catch(() => {});
    const into = new Uint8Array(4096);
    const source = noted(transport, received);
    while (await source.read(into).catch(() => null) !== null);
  }
  await transport.closeWrite().catch(() => {});
};

export const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A rule of a scene: rules come in this order. */
export interface SceneRule {
  /** Without it, all that it mirrors. */
  readonly match?: Match;
  readonly mirror?: boolean;
  readonly callers?: readonly string[];
  readonly server?: Server;
  /** Without it the laptop accepts. */
  readonly onStream?: (stream: Stream) => void;
  /** Its laptop has no tunnel. */
  readonly gone?: boolean;
}

export interface SceneOptions {
  /** Where long heads wait; there are enough places without it. */
  readonly longHeads?: Places;
  readonly rules: readonly SceneRule[];
  readonly pod?: Server;
  /** A whole-service rule's server. */
  readonly whole?: Server;
  /** What the dial of the pod waits for. */
  readonly dialling?: () => Promise<void>;
  readonly limits?: MirrorLimits;
}

/** A connection from 10.244.1.7. */
export function routed(
  {
    rules,
    pod = httpServer("pod"),
    whole,
    dialling,
    longHeads = new Places(10),
    limits = new MirrorLimits(),
  }: SceneOptions,
) {
  const [caller, accepted] = memoryPair();
  const running: Promise<unknown>[] = [];
  const servers = rules.map((rule, i) => ({
    uid: uid(i + 10),
    received: new Received(),
    server: rule.server ?? httpServer(`laptop${i}`),
    ...rule,
  }));
  const wholeRule = {
    uid: uid(9),
    received: new Received(),
    server: whole ?? httpServer("whole"),
    onStream: undefined,
    gone: false,
  };
  const all = [...servers, ...whole ? [wholeRule] : []];
  const ends: Connection[] = [];
  const dialTunnel = () => {
    const [theirs, ours] = memoryPair();
    const laptop = new Connection(theirs, {
      role: "server",
      onStream: (stream) => {
        const found = all.find((one) => headerValue(stream.request, ":authority") === `${one.uid}:80`);
        if (!found) return stream.respond([[":status", "404"]], { end: true });
        if (found.onStream) return found.onStream(stream);
        stream.respond([[":status", "200"]]);
        running.push(found.server(stream, found.received).catch(() => {}));
      },
    });
    const tunnel = new Connection(ours, { role: "client" });
    ends.push(tunnel, laptop);
    return tunnel;
  };
  const tunnels = [dialTunnel()];
  const ofPod = new Received();
  const routedRules = servers.map(({ uid, match = {}, mirror, callers, gone }) => ({
    uid,
    mirrors: mirror === true,
    matcher: new Matcher(match, callers),
    isInForce: () => gone !== true,
    counts: { seen: 0, taken: 0, declined: 0 },
  }));
  let router = new Router(routedRules);
  const upstreams: Upstreams = {
    flow: "k3v9t0aq-1f",
    pod: "default/echo-1",
    whole: () => whole && wholeRule.uid,
    router: () => router,
    unrouted: () => {},
    longHeads,
    streams: new Places(1_000),
    mirroring: { limits, begun() {} },
    tunnels: {
      rule: (uid) => ({ uid, port: 80, session: "s", publicKey: "k" }),
      of: (uid) => {
        const found = all.find((one) => one.uid === uid);
        const isGone = found === undefined || found.gone === true;
        return isGone ? [] : tunnels;
      },
    },
    buffers: new BufferPool(),
    classify: () => Promise.resolve("other"),
    dialPod: async () => {
      await dialling?.();
      const [near, dialled] = memoryPair();
      running.push(pod(near, ofPod).catch(() => {}));
      return dialled;
    },
  };
  const outcome = carry({
    transport: accepted,
    caller: { address: "10.244.1.7", port: 51234 },
    destination: { address: "10.244.1.9", port: 8080 },
  }, upstreams);
  return {
    caller,
    outcome,
    pod: ofPod,
    laptops: servers.map(({ received }) => received),
    whole: wholeRule.received,
    counts: routedRules.map(({ counts }) => counts),
    /** The laptop dials another tunnel; the ones before stay open. */
    reconnect: () => tunnels.unshift(dialTunnel()),
    /** Other rules are in force from now on: those with these numbers. */
    keep: (...numbers: number[]) => {
      router = new Router(routedRules.filter((_, i) => numbers.includes(i)));
    },
    async [Symbol.asyncDispose]() {
      caller.abort();
      await outcome;
      for (const end of ends) end.abort();
      await Promise.all(ends.map(({ closed }) => closed));
      await Promise.all(running);
    },
  };
}

/** Sends in pieces, lets the other side act between them, and gives all that comes back until the end. */
export async function send(
  caller: AbortableTransport,
  pieces: readonly Uint8Array[],
  options: { end?: boolean } = {},
): Promise<string> {
  const reading = readAll(caller);
  for (const piece of pieces) if (piece.length > 0) await writeAll(caller, piece);
  if (options.end ?? true) await caller.closeWrite();
  return await reading;
}

async function readAll(from: AbortableTransport): Promise<string> {
  const into = new Uint8Array(4096);
  let text = "";
  for (let n; (n = await from.read(into)) !== null;) text += String.fromCharCode(...into.subarray(0, n));
  return text;
}

/** Who answered, in order: "pod /a", "laptop0 /b". */
export function answers(text: string): string[] {
  return [...text.matchAll(/^(\S+ \S+(?: all)?)\n/gm)].map(([, line]) => line ?? "");
}
