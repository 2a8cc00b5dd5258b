/** Programs of a test that do one thing for each line of JSON on their input, and answer with one. */
export async function serveCommands(act: (command: Record<string, unknown>) => unknown): Promise<void> {
  let rest = "";
  say({ ready: true, pid: Deno.pid });
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      try {
        say(await act(JSON.parse(line)) ?? null);
      } catch (error) {
        say({ failed: error instanceof Error ? error.message : String(error) });
      }
    }
  }
}

export function say(what: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(what)}\n`));
}
