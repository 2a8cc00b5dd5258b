import { isFull, SeqPacket } from "../../ffi/sockets/seqpacket.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { sleep } from "../../async/sleep.ts";
import { type AttachMessage, type RelayMessage } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";
import { agree, helloOf } from "../../wire/hello.ts";
import { parseAttachMessage } from "./attach_message.ts";

const hello = helloOf("handover");
/** Milliseconds between attempts to connect to attach. */
const RETRY_MS = 200;

export type AttachHello = Extract<AttachMessage, { tell: "hello" }>;

export interface AttachLinkOptions {
  readonly path: string;
  /** The user that attach runs as; root by default. */
  readonly attachUid?: number;
  readonly onHello: (message: AttachHello) => void;
  /** The receiver owns the descriptors. */
  readonly onMessage: (message: Exclude<AttachMessage, AttachHello>, fds: readonly number[]) => void;
  /** attach disconnected: everything that it handed over is void. */
  readonly onDisconnected: () => void;
  readonly log: Log;
}

/** relay's end of the handover: connects to attach, and reconnects. */
export class AttachLink {
  readonly #options: AttachLinkOptions;
  #socket: SeqPacket | undefined;

  constructor(options: AttachLinkOptions) {
    this.#options = options;
  }

  /**
   * Sends at once or not at all; without attach it does nothing. Where attach doesn't read, questions are lost, whose
   * askers have a time limit. Any other message that can't be sent ends the connection: after the next hello both sides
   * send everything again.
   */
  send(message: RelayMessage): void {
    try {
      this.#socket?.send(message);
    } catch (error) {
      if (isFull(error) && (message.tell === "classify" || message.tell === "request-sockets")) return;
      this.#options.log("warn", "can't send a message to attach", { tell: message.tell, error });
      this.#socket?.close();
    }
  }

  /** Keeps the connection until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const close = () => this.#socket?.close();
    signal.addEventListener("abort", close, { once: true });
    let waiting = false;
    while (!signal.aborted) {
      try {
        this.#socket = SeqPacket.connect(this.#options.path);
      } catch (error) {
        if (!waiting) this.#options.log("info", "waiting for attach", { error });
        waiting = true;
        await sleep(RETRY_MS, signal);
        continue;
      }
      waiting = false;
      await this.#serve(this.#socket);
      this.#socket = undefined;
      await sleep(RETRY_MS, signal);
    }
    signal.removeEventListener("abort", close);
  }

  async #serve(socket: SeqPacket): Promise<void> {
    const { attachUid = 0, onHello, onMessage, onDisconnected, log } = this.#options;
    try {
      const { uid } = socket.peer;
      if (uid !== attachUid) {
        throw new Error(`user ${uid} listens on attach's socket: expected user ${attachUid}`);
      }
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
      onDisconnected();
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
