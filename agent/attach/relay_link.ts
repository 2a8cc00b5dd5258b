import { isFull, type SeqPacket, SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { type AttachMessage, type RelayMessage } from "../../wire/handover.ts";
import { agree, helloOf } from "../../wire/hello.ts";
import { parseRelayMessage } from "./relay_message.ts";
import type { Log } from "../../wire/log.ts";

const hello = helloOf("handover");

/** The contents of attach's first message. */
export type Introduction = Omit<Extract<AttachMessage, { tell: "hello" }>, "tell" | "hello">;

/** The relay that is connected. */
export interface RelayChannel {
  /**
   * Sends a message at once; returns false when relay doesn't read or is gone, and then ends the connection. A match that
   * doesn't fit now is only left for later.
   */
  send(message: AttachMessage, fds?: readonly number[]): boolean;
}

export interface RelayLinkOptions {
  /** The path of the socket, in a folder that only relay shares. */
  readonly path: string;
  /** The user that relay runs as; others are refused. */
  readonly relayUid: number;
  readonly introduction: Introduction;
  readonly log: Log;
  /** A relay has connected. */
  readonly onConnected: (relay: RelayChannel) => void;
  readonly onMessage: (message: Exclude<RelayMessage, { tell: "hello" }>, relay: RelayChannel) => void;
  /** The relay disconnected: everything that it was given is void. */
  readonly onDisconnected: () => void;
}

/** attach's end of the handover. It serves one relay at a time: a new one replaces the one before. */
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
      Deno.removeSync(path); // left by a killed attach
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    // Every user who reaches the folder may connect, since chown would need CAP_CHOWN; their uid is checked.
    this.#listener = SeqPacketListener.listen(path, { mode: 0o666 });
  }

  /** Settles when the current relay, if there is one, has disconnected. */
  get disconnected(): Promise<void> {
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
    const { log, relayUid, introduction, onConnected, onMessage, onDisconnected } = this.#options;
    const { uid } = socket.peer;
    if (uid !== relayUid) {
      log("warn", "refused a connection to relay's socket by another user", { uid });
      return socket.close();
    }
    this.#current?.close();
    this.#current = socket;
    const ended = Promise.withResolvers<void>();
    this.#serving = ended.promise;
    const relay: RelayChannel = { send: (message, fds) => this.#send(socket, message, fds) };
    let greeted = false;
    try {
      relay.send({ tell: "hello", hello, ...introduction });
      for (let got; (got = await socket.receive()) !== undefined;) {
        for (const fd of got.fds) closeDescriptor(fd); // relay sends none
        const message = parseRelayMessage(got.message);
        if (message.tell === "hello") {
          agree(hello, message.hello);
          greeted = true;
          onConnected(relay);
        } else if (greeted && this.#current === socket) onMessage(message, relay);
      }
    } catch (error) {
      log("warn", "ended the connection to relay", { error });
    } finally {
      socket.close();
      const last = this.#current === socket;
      if (last) this.#current = undefined;
      if (greeted && last) onDisconnected();
      ended.resolve();
    }
  }

  #send(socket: SeqPacket, message: AttachMessage, fds: readonly number[] = []): boolean {
    if (this.#current !== socket) return false;
    try {
      socket.send(message, fds);
      return true;
    } catch (error) {
      if (message.tell === "match" && isFull(error)) return false;
      this.#options.log("warn", "can't send a message to relay", { tell: message.tell, error });
      socket.close();
      return false;
    }
  }
}
