/** A command that runs while a test does other things. Killed, and waited for, when it is disposed of. */
export class Running implements AsyncDisposable {
  /** All that it has said so far, on standard output and standard error alike. */
  said = "";
  readonly #command: readonly string[];
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #listening: Promise<unknown>;
  #heard: () => void = () => {};
  #ended = false;

  constructor(command: readonly string[], env?: Record<string, string>) {
    const [program = "", ...args] = command;
    this.#command = command;
    this.#child = new Deno.Command(program, { args, env, stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    this.#stdin = this.#child.stdin.getWriter();
    // Its end may break the pipe at any time; who writes next is told.
    this.#stdin.closed.catch(() => {});
    this.#listening = Promise.all([this.#listen(this.#child.stdout), this.#listen(this.#child.stderr)])
      .then(() => this.#child.status).finally(() => {
        this.#ended = true;
        this.#heard();
      });
  }

  /** The process id, which is the same inside a laptop and outside. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Settles when it has ended and all that it said is in {@linkcode said}. */
  async status(): Promise<Deno.CommandStatus> {
    await this.#listening;
    return await this.#child.status;
  }

  /** Types something. */
  async write(text: string): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(text));
  }

  /** Closes its standard input. */
  async closeStdin(): Promise<void> {
    await this.#stdin.close();
  }

  kill(signal: Deno.Signal = "SIGTERM"): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /**
   * Waits until it has said something.
   *
   * @param timeout in milliseconds
   * @throws {Error} with all that it said, where it ends first or says other things for that long
   */
  async says(pattern: RegExp, timeout = 10_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeout;
    while (true) {
      const match = pattern.exec(this.said);
      if (match) return match;
      const left = deadline - performance.now();
      if (this.#ended || left <= 0) {
        const why = this.#ended ? "ended" : `went on for ${timeout} ms`;
        throw new Error(
          `${this.#command.join(" ")}\n${why} without saying ${pattern}. It said:\n${this.said}`,
        );
      }
      await this.#next(left);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#stdin.abort().catch(() => {});
    await this.#listening;
  }

  /** Settles when more was said, it ended, or `ms` milliseconds have passed. */
  async #next(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#heard = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }

  async #listen(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.said += text;
      this.#heard();
    }
  }
}
