import { type SeqPacket, SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { type AttachMessage, type RelayMessage } from "../../wire/handover.ts";
import { agree, helloOf } from "../../wire/hello.ts";
import { parseRelayMessage } from "./relay_message.ts";
import type { Log } from "../../wire/log.ts";

const hello = helloOf("handover");

/** What attach says of itself in its first message. */
export type Introduction = Omit<Extract<AttachMessage, { tell: "hello" }>, "tell" | "hello">;

/** The relay that is connected: messages to it, each at once or not at all. */
export interface Relay {
  /** False when it couldn't be sent: relay is gone, or doesn't read; the link then ends. */
  send(message: AttachMessage, fds?: readonly number[]): boolean;
}

export interface RelayLinkOptions {
  /** Of the socket; its folder is shared with relay alone. */
  readonly path: string;
  /** The user that relay runs as: nobody else is let in. */
  readonly relayUid: number;
  readonly introduction: Introduction;
  readonly log: Log;
  /** A relay has come. */
  readonly onRelay: (relay: Relay) => void;
  readonly onMessage: (message: Exclude<RelayMessage, { tell: "hello" }>, relay: Relay) => void;
  /** The relay that had come is gone: all that it was given is void. */
  readonly onGone: () => void;
}

/** Attach's end of the handover: waits for relay, one at a time, a new one instead of the one before. */
export class RelayLink implements Disposable {
  readonly #options: RelayLinkOptions;
  readonly #listener: SeqPacketListener;
  #current: SeqPacket | undefined;
  #serving: Promise<void> = Promise.resolve();

  /** @throws {SystemCallError} when the socket can't be made. */
  constructor(options: RelayLinkOptions) {
    this.#options = options;
    const { path } = options;
    try {
      Deno.removeSync(path); // of an attach before this one, in the same folder
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    // Open to all who reach the folder, since giving it to relay would take CAP_CHOWN: who comes is checked.
    this.#listener = SeqPacketListener.listen(path, { mode: 0o666 });
  }

  /** Settles when the relay that is here now, if any, is gone. */
  get relayGone(): Promise<void> {
    return this.#serving;
  }

  /** Serves until this is disposed. */
  async serve(): Promise<void> {
    const running = new Set<Promise<void>>();
    for (let socket; (socket = await this.#listener.accept()) !== undefined;) {
      const run = this.#serve(socket).finally(() => running.delete(run));
      running.add(run);
    }
    await Promise.all(running);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.#current?.close();
  }

  async #serve(socket: SeqPacket): Promise<void> {
    const { log, relayUid, introduction, onRelay, onMessage, onGone } = this.#options;
    const { uid } = socket.peer;
    if (uid !== relayUid) {
      log("warn", "refused a connection to relay's socket by another user", { uid });
      return socket.close();
    }
    this.#current?.close();
    this.#current = socket;
    const over = Promise.withResolvers<void>();
    this.#serving = over.promise;
    const relay: Relay = { send: (message, fds) => this.#send(socket, message, fds) };
    let came = false;
    try {
      relay.send({ tell: "hello", hello, ...introduction });
      for (let got; (got = await socket.receive()) !== undefined;) {
        for (const fd of got.fds) closeDescriptor(fd); // it has none to give
        const message = parseRelayMessage(got.message);
        if (message.tell === "hello") {
          agree(hello, message.hello);
          came = true;
          onRelay(relay);
        } else if (came && this.#current === socket) onMessage(message, relay);
      }
    } catch (error) {
      log("warn", "ended the connection to relay", { error });
    } finally {
      socket.close();
      const last = this.#current === socket;
      if (last) this.#current = undefined;
      if (came && last) onGone();
      over.resolve();
    }
  }

  #send(socket: SeqPacket, message: AttachMessage, fds: readonly number[] = []): boolean {
    if (this.#current !== socket) return false;
    try {
      socket.send(message, fds);
      return true;
    } catch (error) {
      this.#options.log("warn", "can't send a message to relay", { tell: message.tell, error });
      socket.close();
      return false;
    }
  }
}
