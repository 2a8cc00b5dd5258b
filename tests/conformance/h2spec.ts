/** h2spec (https://github.com/summerwind/h2spec): an HTTP/2 client that does everything wrong that can be. */

import { folderFor, runGo } from "./go.ts";

const MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

export interface Verdict {
  /** What it printed. */
  readonly output: string;
  readonly tests: number;
  readonly passed: number;
  /** The names of the cases that failed. */
  readonly failed: readonly string[];
}

/**
 * The path of h2spec, built once.
 * @throws when it can't be built: the message has what Go said.
 */
export async function buildH2spec(go: string): Promise<string> {
  const folder = await folderFor("h2spec");
  const path = `${folder}/h2spec`;
  try {
    await Deno.stat(path);
  } catch {
    await runGo(go, ["install", MODULE], { env: { GOBIN: folder, GOFLAGS: "-mod=mod" } });
  }
  return path;
}

/**
 * Runs every case, the strict ones too, against a server on loopback.
 * @param timeout seconds that a case waits for an answer
 */
export async function runH2spec(path: string, port: number, timeout = 5): Promise<Verdict> {
  const args = ["--host", "127.0.0.1", "--port", `${port}`, "--strict", "--timeout", `${timeout}`];
  const { stdout } = await new Deno.Command(path, { args, stderr: "inherit" }).output();
  const output = new TextDecoder().decode(stdout);
  const counts = /(\d+) tests, (\d+) passed/.exec(output);
  const [, failures = ""] = output.split("\nFailures:");
  return {
    output,
    tests: Number(counts?.[1] ?? 0),
    passed: Number(counts?.[2] ?? 0),
    failed: [...failures.matchAll(/^ *× \d+: (.*)$/gm)].map(([, name = ""]) => name),
  };
}
