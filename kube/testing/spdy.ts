import { FakeKubelet, type Peer, serverFrame } from "./kubelet.ts";
import { FRAME_HEADER } from "../port_forward/spdy/frames.ts";

export const ERROR = 1, DATA = 3;

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const bytes = (value: string) => new TextEncoder().encode(value);

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A SPDY frame as the specification has it, written apart from the code under test. */
export function frame(word: number, flags: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const size = payload.length;
  const head = [word >>> 24, word >>> 16 & 255, word >>> 8 & 255, word & 255];
  return concat([Uint8Array.of(...head, flags, size >>> 16, size >>> 8 & 255, size & 255), payload]);
}

export const data = (stream: number, value: string | Uint8Array, fin = false) =>
  frame(stream, fin ? 1 : 0, typeof value === "string" ? bytes(value) : value);
export const end = (stream: number) => data(stream, "", true);
export const control = (type: number, words: readonly number[], flags = 0) =>
  frame(
    0x8003_0000 + type,
    flags,
    concat(words.map((word) => Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word))),
  );
export const reset = (stream: number, status = 5) => control(3, [stream, status]);
/** A reply with a header block of some bytes, which isn't decoded. */
export const reply = (stream: number) => control(2, [stream, 0x78f9e3c6, 0xa7c20000]);

/** SPDY bytes in one WebSocket message. */
export const message = (...frames: Uint8Array[]) => serverFrame(2, concat(frames));
export const CLOSE = serverFrame(8, Uint8Array.of(3, 232));

/** A frame that came from the client. */
export interface Frame {
  /** The first four bytes: a stream, or with the highest bit set version and type. */
  readonly word: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** The far end of a SPDY port-forward in a test. */
export interface SpdyPeer extends Peer {
  /** The next SPDY frame, however messages are cut. */
  spdyFrame(): Promise<Frame>;
  /** Bytes of each message that came, so far. */
  readonly messages: readonly number[];
}

/** An API server that speaks SPDY in a WebSocket: does what the test says after it has seen both streams opened. */
export function spdyServer(play: (peer: SpdyPeer, opened: readonly Frame[]) => Promise<void>): FakeKubelet {
  const kubelet: FakeKubelet = new FakeKubelet(async (plain) => {
    await plain.send(bytes(await accepting(kubelet.request.headers)));
    const peer = spdyPeer(plain);
    await play(peer, [await peer.spdyFrame(), await peer.spdyFrame()]);
  }, { answer: false });
  return kubelet;
}

async function accepting(headers: Headers): Promise<string> {
  const key = headers.get("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", bytes(key)));
  return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    `Sec-WebSocket-Accept: ${btoa(String.fromCharCode(...digest))}\r\n` +
    "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n";
}

function spdyPeer(peer: Peer): SpdyPeer {
  let have = new Uint8Array(0);
  const messages: number[] = [];
  const exactly = async (size: number) => {
    while (have.length < size) {
      const payload = await peer.message();
      messages.push(payload.length);
      have = concat([have, payload]);
    }
    const taken = have.slice(0, size);
    have = have.slice(size);
    return taken;
  };
  return {
    ...peer,
    messages,
    async spdyFrame() {
      const view = new DataView((await exactly(FRAME_HEADER)).buffer);
      const word = view.getUint32(0), flags = view.getUint8(4), length = view.getUint32(4) & 0xff_ffff;
      return { word, flags, payload: await exactly(length) };
    },
  };
}
