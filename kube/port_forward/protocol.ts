/** How a protocol puts the bytes of one TCP connection into the messages of a {@linkcode MessageSocket}, and takes them out again. */
export interface PortForwardProtocol {
  /** What `Sec-WebSocket-Protocol` calls it. */
  readonly name: string;

  /**
   * Takes what it can of the socket's present piece, and puts data into `into` from `at` on, as much as there is room for.
   *
   * @returns how much data that was, in bytes; 0 too when the piece was something else
   * @throws {PodError} when the pod's side has said why it fails
   * @throws when the server breaks the protocol
   */
  take(into: Uint8Array, at: number): number;
  /** The pod's side has ended the direction in: nothing follows, and nothing failed. */
  readonly ended: boolean;

  /** The message that is being made: out[HEADROOM, outEnd). */
  readonly out: Uint8Array;
  readonly outEnd: number;
  /** Adds bytes[from...] to that message. @returns how many had room */
  put(bytes: Uint8Array, from: number): number;
  /** Begins the next message. */
  clear(): void;
  /** The message that ends the direction out, behind HEADROOM free bytes; undefined where the protocol has none. */
  endOfOutput(): Uint8Array | undefined;
}

/** The pod's side says why it fails: nothing listens on the port, the pod is gone. The message has its words. */
export class PodError extends Error {
  override name = "PodError";
}

/** Characters of an error that are kept. */
const MAX_ERROR = 4 << 10;

/** What comes on a protocol's error channel. It goes to a terminal: one line, without control characters, of limited length. */
export class PodErrorText {
  #text = "";
  #decoder: TextDecoder | undefined;

  /** @throws {PodError} when the text has become too long */
  add(bytes: Uint8Array): void {
    this.#decoder ??= new TextDecoder();
    this.#text += this.#decoder.decode(bytes, { stream: true });
    if (this.#text.length > MAX_ERROR) this.complete();
  }

  /** The text is complete. @throws {PodError} unless it is empty */
  complete(): void {
    if (this.#text === "") return;
    throw new PodError(this.#text.slice(0, MAX_ERROR).replace(/\s+/g, " ").replace(/\p{C}/gu, "").trim());
  }
}
