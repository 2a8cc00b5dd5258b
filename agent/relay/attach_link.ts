import { isFull, SeqPacket } from "../../ffi/sockets/seqpacket.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { sleep } from "../../async/sleep.ts";
import { type AttachMessage, HANDOVER_VERSION, type RelayMessage } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";
import { agree, type Hello } from "../../wire/hello.ts";
import { RELEASE } from "../../wire/version.ts";
import { parseAttachMessage } from "./attach_message.ts";

const hello: Hello = {
  protocol: "handover",
  version: HANDOVER_VERSION,
  oldest: HANDOVER_VERSION,
  features: [],
  release: RELEASE,
};
/** Milliseconds between attempts to reach attach. */
const AGAIN_MS = 200;

export type AttachHello = Extract<AttachMessage, { tell: "hello" }>;

export interface AttachLinkOptions {
  readonly path: string;
  /** The user that attach runs as; 0 without it. */
  readonly attachUid?: number;
  readonly onHello: (message: AttachHello) => void;
  /** Descriptors are the receiver's to close. */
  readonly onMessage: (message: Exclude<AttachMessage, AttachHello>, fds: readonly number[]) => void;
  /** Attach is gone: all that it gave is void. */
  readonly onGone: () => void;
  readonly log: Log;
}

/** Relay's end of the handover: connects to attach, again whenever it has gone. */
export class AttachLink {
  readonly #options: AttachLinkOptions;
  #socket: SeqPacket | undefined;

  constructor(options: AttachLinkOptions) {
    this.#options = options;
  }

  /**
   * Sends at once or not at all; without attach it does nothing. Where attach doesn't read, questions are lost, whose askers wait
   * only so long; what it has to know ends the link, so that it's told all anew.
   */
  send(message: RelayMessage): void {
    try {
      this.#socket?.send(message);
    } catch (error) {
      if (isFull(error) && (message.tell === "whose" || message.tell === "need")) return;
      this.#options.log("warn", "can't send a message to attach", { tell: message.tell, error });
      this.#socket?.close();
    }
  }

  /** Keeps the link up until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const close = () => this.#socket?.close();
    signal.addEventListener("abort", close, { once: true });
    let waits = false;
    while (!signal.aborted) {
      try {
        this.#socket = SeqPacket.connect(this.#options.path);
      } catch (error) {
        if (!waits) this.#options.log("info", "waiting for attach", { error });
        waits = true;
        await sleep(AGAIN_MS, signal);
        continue;
      }
      waits = false;
      await this.#serve(this.#socket);
      this.#socket = undefined;
      await sleep(AGAIN_MS, signal);
    }
    signal.removeEventListener("abort", close);
  }

  async #serve(socket: SeqPacket): Promise<void> {
    const { attachUid = 0, onHello, onMessage, onGone, log } = this.#options;
    try {
      const { uid } = socket.peer;
      if (uid !== attachUid) throw new Error(`user ${uid} listens where attach should`);
      socket.send({ tell: "hello", hello } satisfies RelayMessage);
      for (let got; (got = await socket.receive()) !== undefined;) {
        const message = parsed(got.message, got.fds);
        if (message.tell === "hello") {
          agree(hello, message.hello);
          onHello(message);
        } else onMessage(message, got.fds);
      }
      log("warn", "attach disconnected");
    } catch (error) {
      log("warn", "ended the connection to attach", { error });
    } finally {
      socket.close();
      onGone();
    }
  }
}

function parsed(raw: unknown, fds: readonly number[]): AttachMessage {
  try {
    return parseAttachMessage(raw);
  } catch (error) {
    for (const fd of fds) closeDescriptor(fd);
    throw error;
  }
}
