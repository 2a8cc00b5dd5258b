/** A nameserver on loopback for tests: what it answers is a function, what it was asked is kept. */
import { parseAddress } from "../../net/address.ts";
import type { Nameserver } from "../server/forward.ts";
import { IN, type Message, parseMessage, type Resource } from "../../dns/message.ts";
import { writeMessage } from "../../dns/message_writer.ts";
import { addressResource } from "../../dns/resource.ts";
import { openStub } from "../server/stub_listener.ts";
import { MessageWriter, readMessages } from "../../dns/tcp_frames.ts";

export interface Asked {
  readonly over: "udp" | "tcp";
  readonly bytes: Uint8Array;
}

/** What to answer: bytes, or nothing. */
export type Answering = (query: Message, over: "udp" | "tcp", bytes: Uint8Array) => Uint8Array | undefined;

export interface FakeUpstream extends AsyncDisposable {
  readonly nameserver: Nameserver;
  readonly asked: readonly Asked[];
  /** Answers given, as they were sent. */
  readonly given: readonly Uint8Array[];
}

export async function fakeUpstream(answer: Answering = answering("203.0.113.7")): Promise<FakeUpstream> {
  const asked: Asked[] = [];
  const given: Uint8Array[] = [];
  const reply = (over: "udp" | "tcp", bytes: Uint8Array) => {
    asked.push({ over, bytes });
    const back = answer(parseMessage(bytes), over, bytes);
    if (back) given.push(back);
    return back;
  };

  const sockets = await openStub("127.0.0.1");
  const { udp, tcp } = sockets;
  udp.on("message", (bytes, from) => {
    const back = reply("udp", new Uint8Array(bytes));
    if (back) udp.send(back, from.port, from.address);
  });
  const open = new Set<Deno.TcpConn>();
  const serving = (async () => {
    for await (const conn of tcp) {
      open.add(conn);
      serve(conn).catch(() => {}).finally(() => open.delete(conn));
    }
  })();
  async function serve(conn: Deno.TcpConn) {
    const writer = new MessageWriter(conn);
    for await (const bytes of readMessages(conn)) {
      const back = reply("tcp", bytes);
      if (back) await writer.send(back);
    }
    conn.close();
  }

  return {
    nameserver: sockets.end,
    asked,
    given,
    async [Symbol.asyncDispose]() {
      await sockets[Symbol.asyncDispose]();
      for (const conn of open) conn.close();
      await serving;
    },
  };
}

/** Answers every question with this address. */
export function answering(address: string): Answering {
  return (query) => {
    const ip = parseAddress(address);
    const [question] = query.questions;
    return replied(query, ip && question ? [addressResource(question.name, ip)] : []);
  };
}

export function replied(
  query: Message,
  answers: readonly Resource[],
  more: Partial<Message> = {},
): Uint8Array {
  return writeMessage({ ...query, response: true, recursionAvailable: true, answers, ...more });
}

/** A query as a resolver sends it. */
export function queryFor(name: string, type: number, more: Partial<Message> = {}): Uint8Array<ArrayBuffer> {
  return writeMessage({
    id: 0xbeef,
    response: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: false,
    rcode: 0,
    questions: [{ name, type, class: IN }],
    answers: [],
    authorities: [],
    additionals: [],
    ...more,
  });
}
