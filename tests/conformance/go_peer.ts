/** Go's net/http2 as a peer: the program in go_peer/. */
import { folderFor, runGo } from "./go.ts";

/** The path of the program, built anew when it has changed. @throws when it can't be built: the message has what Go said. */
export async function buildGoPeer(go: string): Promise<string> {
  const path = `${await folderFor("go_peer")}/go_peer`;
  await runGo(go, ["build", "-trimpath", "-buildvcs=false", "-o", path, "."], {
    cwd: new URL("go_peer/", import.meta.url).pathname,
  });
  return path;
}

/** A server of Go's on loopback, until disposed of. */
export class GoServer implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly port: number;

  private constructor(process: Deno.ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async start(path: string): Promise<GoServer> {
    const process = new Deno.Command(path, {
      args: ["server"],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = process.stdout.getReader();
    let line = "";
    while (!line.endsWith("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the server of Go ended before it listened");
      line += new TextDecoder().decode(value);
    }
    reader.releaseLock();
    return new GoServer(process, Number(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stdin.close();
    await this.#process.stdout.cancel();
    await this.#process.status;
  }
}

/** What a client of Go's found out about a server: see go_peer/main.go. */
export interface GoVerdict {
  readonly large: boolean;
  readonly streams: number;
  readonly trailers: string;
  readonly reset: string;
}

/** Lets a client of Go's try the server on a port of loopback. @throws when it fails: the message has what it said. */
export async function goClient(path: string, port: number): Promise<GoVerdict> {
  const { success, stdout, stderr } = await new Deno.Command(path, { args: ["client", String(port)] })
    .output();
  if (!success) throw new Error(`the client of Go failed: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
