/** h2spec (https://github.com/summerwind/h2spec): an HTTP/2 client that does everything wrong that can be. */

const MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";
const CACHE = new URL("../../.cache/h2spec/", import.meta.url);

export interface Verdict {
  /** What it printed. */
  readonly output: string;
  readonly tests: number;
  readonly passed: number;
}

/** The path of a Go that is installed here, or undefined. */
export async function findGo(): Promise<string | undefined> {
  for (const path of ["go", "/usr/local/go/bin/go"]) {
    try {
      const { success } = await new Deno.Command(path, { args: ["version"], stdout: "null", stderr: "null" })
        .output();
      if (success) return path;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

/**
 * The path of h2spec, built once.
 * @throws when it can't be built: the message has what Go said.
 */
export async function buildH2spec(go: string): Promise<string> {
  const path = new URL("h2spec", CACHE).pathname;
  try {
    await Deno.stat(path);
    return path;
  } catch {
    // To be built.
  }
  await Deno.mkdir(CACHE, { recursive: true });
  const env = { GOBIN: CACHE.pathname.replace(/\/$/, ""), GOFLAGS: "-mod=mod" };
  const { success, stderr } = await new Deno.Command(go, { args: ["install", MODULE], env }).output();
  if (!success) throw new Error(`go install ${MODULE} failed: ${new TextDecoder().decode(stderr)}`);
  return path;
}

/** Runs every case, the strict ones too, against a server on loopback. */
export async function runH2spec(path: string, port: number): Promise<Verdict> {
  const args = ["--host", "127.0.0.1", "--port", String(port), "--strict", "--timeout", "5"];
  const { stdout } = await new Deno.Command(path, { args, stderr: "inherit" }).output();
  const output = new TextDecoder().decode(stdout);
  const counts = /(\d+) tests, (\d+) passed/.exec(output);
  return { output, tests: Number(counts?.[1] ?? 0), passed: Number(counts?.[2] ?? 0) };
}
