/** Ends this program with its standard input: by itself and not by a signal, so that a profile of it is written. */
export async function held(): Promise<never> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}
