import {
  type AnswerOf,
  type CallName,
  type CallOf,
  type ControlError,
  controlFiles,
  failures,
  type Progress,
  type RequestOf,
  sentRequest,
} from "../wire/control.ts";
import { agree, type Hello, HelloMismatch, helloOf, parseHello } from "../wire/hello.ts";
import { callWords } from "./call_words.ts";
import { CliFailure, failure, isFailureCode } from "./failure.ts";
import type { OnProgress } from "./steps.ts";
import { unixRequest, type UnixResponse } from "./unix_http.ts";

/** Bytes of an answer, or of a line of one: far more than 20,000 Services make. */
const LONGEST_ANSWER = 64 * 1024 * 1024;
/** Characters of a hello. */
const LONGEST_HELLO = 16 * 1024;
/** How a connect fails when there is no daemon: no socket, one of a killed daemon, or one that is just closing. */
const NO_DAEMON: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "ECONNREFUSED", "ECONNRESET", "EPIPE"]);
/** A daemon that says nothing for this long after a connect is stuck. */
const HELLO_MS = 5000;

/** The arguments of a call: none where its request has no fields. */
type Arguments<Name extends CallName> = object extends RequestOf<Name> ? [request?: RequestOf<Name>]
  : [request: RequestOf<Name>];

/** Where the daemon is, and who asks. */
export interface ControlClientOptions {
  readonly stateFolder: string;
  readonly release: string;
  readonly signal: AbortSignal;
  /** Talk to a daemon of any version: `pmz down` and `pmz version` have to. */
  readonly anyVersion?: boolean;
}

/** The daemon's control API, as a client: HTTP over the unix socket in the state folder, a connection a request. */
export class ControlClient {
  readonly #options: ControlClientOptions;
  /** What the daemon said of itself. */
  readonly hello: Hello;

  private constructor(options: ControlClientOptions, hello: Hello) {
    this.#options = options;
    this.hello = hello;
  }

  /**
   * Finds the daemon and compares versions.
   * @returns undefined when no daemon runs.
   * @throws {CliFailure} `conflict` when the daemon is of no version that this pmz speaks, `timeout`
   * when it doesn't answer.
   */
  static async connect(options: ControlClientOptions): Promise<ControlClient | undefined> {
    const hello = await greet(options);
    return hello ? new ControlClient(options, hello) : undefined;
  }

  /** Makes a call that answers at once. */
  async ask<Name extends CallOf<"once">>(
    name: Name,
    ...[request]: Arguments<Name>
  ): Promise<AnswerOf<Name>> {
    const response = await this.#send(name, request);
    const text = await this.#text(name, response);
    return (text === "" ? undefined : this.#parsed(name, text)) as AnswerOf<Name>;
  }

  /** Makes a call for long work: shows its progress, settles with its result. An abort of the signal makes the daemon undo. */
  async follow<Name extends CallOf<"progress">>(
    name: Name,
    request: RequestOf<Name>,
    show: OnProgress,
  ): Promise<AnswerOf<Name>> {
    const response = await this.#send(name, request);
    for await (const text of this.#lines(name, response)) {
      const line = this.#progress<AnswerOf<Name>>(name, text);
      if (line.kind === "result") return line.result;
      if (line.kind === "error") throw new CliFailure(line.error);
      show(line);
    }
    throw await this.#broken(name, undefined);
  }

  /** Makes a call that answers with values for as long as the daemon lives and the signal doesn't abort. */
  async *stream<Name extends CallOf<"stream">>(
    name: Name,
    ...[request]: Arguments<Name>
  ): AsyncGenerator<AnswerOf<Name>> {
    const response = await this.#send(name, request);
    for await (const text of this.#lines(name, response)) yield this.#parsed(name, text) as AnswerOf<Name>;
  }

  async #send<Name extends CallName>(
    name: Name,
    request: RequestOf<Name> | undefined,
  ): Promise<UnixResponse> {
    let response: UnixResponse;
    try {
      response = await unixRequest({
        ...sentRequest(name, request),
        socket: socketOf(this.#options.stateFolder),
        signal: this.#options.signal,
      });
    } catch (error) {
      throw await this.#broken(name, error);
    }
    if (response.status < 400) return response;
    throw failureOf(await this.#text(name, response), response.status, name);
  }

  async #text(call: CallName, response: UnixResponse): Promise<string> {
    let text = "";
    for await (const part of this.#read(call, response)) {
      text += part;
      if (text.length > LONGEST_ANSWER) throw failure("internal", "the daemon's answer is too long");
    }
    return text;
  }

  async *#lines(call: CallName, response: UnixResponse): AsyncGenerator<string> {
    let rest = "";
    for await (const part of this.#read(call, response)) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LONGEST_ANSWER) {
        throw failure("internal", "a line of the daemon's answer is too long");
      }
      for (const line of lines) if (line !== "") yield line;
    }
    if (rest !== "") yield rest;
  }

  async *#read(call: CallName, response: UnixResponse): AsyncGenerator<string> {
    try {
      yield* response.text;
    } catch (error) {
      throw await this.#broken(call, error);
    }
  }

  #progress<Result>(call: CallName, text: string): Progress<Result> {
    const line = this.#parsed(call, text) as Progress<Result> | null; // the hello has told that it's of our version
    if (["step", "detail", "warning", "result", "error"].includes(String(line?.kind)) && line) return line;
    throw this.#nonsense(call, new TypeError(`unknown kind "${line?.kind}"`));
  }

  #parsed(call: CallName, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw this.#nonsense(call, error);
    }
  }

  /** A daemon that ends in order removes its socket first; the socket of one that was killed stays. */
  async #broken(call: CallName, cause: unknown): Promise<Error> {
    const { signal, stateFolder } = this.#options;
    if (signal.aborted) return new DOMException("interrupted", "AbortError");
    const words = callWords[call];
    if (!await exists(socketOf(stateFolder))) {
      return failure("not-up", `pmz went down while ${words}`, "run: pmz up", cause);
    }
    const hint = `its log may say why: ${stateFolder}/${controlFiles.log}`;
    return failure("internal", `the daemon ended unexpectedly while ${words}`, hint, cause);
  }

  #nonsense(call: CallName, cause: unknown): CliFailure {
    return failure(
      "internal",
      `the daemon gave an answer that is not valid while ${callWords[call]}`,
      "is it pmz? run: pmz down",
      cause,
    );
  }
}

async function greet(options: ControlClientOptions): Promise<Hello | undefined> {
  const tooLate = AbortSignal.timeout(HELLO_MS);
  const signal = AbortSignal.any([tooLate, options.signal]);
  let text = "";
  try {
    const request = { socket: socketOf(options.stateFolder), ...sentRequest("hello", {}), signal };
    for await (const part of (await unixRequest(request)).text) {
      text += part;
      if (text.length > LONGEST_HELLO) break;
    }
  } catch (error) {
    if (options.signal.aborted) throw new DOMException("interrupted", "AbortError");
    if (tooLate.aborted) throw await stuck(options.stateFolder, error);
    if (NO_DAEMON.has((error as { code?: unknown }).code)) return undefined;
    throw failure(
      "internal",
      `the daemon's socket ${socketOf(options.stateFolder)} can't be used`,
      undefined,
      error,
    );
  }
  try {
    const hello = parseHello(JSON.parse(text));
    if (!options.anyVersion) agree(helloOf("control", { release: options.release }), hello);
    return hello;
  } catch (error) {
    throw mismatch(error instanceof SyntaxError ? new HelloMismatch("its hello is not JSON") : error);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, (error) => !(error instanceof Deno.errors.NotFound));
}

function socketOf(folder: string): string {
  return `${folder}/${controlFiles.socket}`;
}

function mismatch(error: unknown): CliFailure {
  const why = error instanceof Error ? error.message : String(error);
  return failure(
    "conflict",
    `a daemon of another version runs: ${why}`,
    "run: pmz down, then the command again",
    error,
  );
}

async function stuck(folder: string, error: unknown): Promise<CliFailure> {
  const lock = await Deno.readTextFile(`${folder}/${controlFiles.lock}`).catch(() => "");
  const end = /^\d+\n$/.test(lock)
    ? `to end it: kill -9 ${lock.trim()}`
    : "a daemon that hangs can be killed";
  const hint = `${end}, and nothing is left then; its log: ${folder}/${controlFiles.log}`;
  return failure("timeout", `the daemon doesn't answer within ${HELLO_MS / 1000} s`, hint, error);
}

/** The failure in the body of an answer; without one there, the failure of its status. */
function failureOf(body: string, status: number, call: CallName): CliFailure {
  try {
    const error = JSON.parse(body) as Partial<ControlError> | null;
    if (error && isFailureCode(error.code) && typeof error.message === "string") {
      return new CliFailure(error as ControlError);
    }
  } catch {
    // not an error of the daemon
  }
  const code = status === failures.usage.status
    ? "usage"
    : status === failures["not-found"].status
    ? "not-found"
    : "internal";
  return failure(
    code,
    `the daemon answered with ${status} while ${callWords[call]}${
      body === "" ? "" : `: ${body.slice(0, 256)}`
    }`,
  );
}
