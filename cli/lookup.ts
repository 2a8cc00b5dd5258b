/** Addresses; "late" where no nameserver has answered in time, undefined where nothing can ask for them. */
export type LookedUp = readonly string[] | "late" | undefined;

/** A name that no nameserver answers is given up after this, in milliseconds. */
const LIMIT_MS = 8_000;

/**
 * The addresses that this machine's programs get for a name: getent asks by the C library's own way, /etc/hosts and
 * nsswitch.conf included (man 1 getent). None where the name isn't found.
 *
 * @param limitMs for the answer
 * @throws the reason of `signal`
 */
export async function lookup(host: string, signal: AbortSignal, limitMs = LIMIT_MS): Promise<LookedUp> {
  const limit = AbortSignal.timeout(limitMs);
  try {
    const { success, stdout, code } = await new Deno.Command("getent", {
      args: ["ahosts", "--", host],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal: AbortSignal.any([signal, limit]),
    }).output();
    signal.throwIfAborted();
    if (limit.aborted && !success) return "late";
    if (!success) return code === 2 ? [] : undefined; // 2: not found
    return addressesIn(new TextDecoder().decode(stdout));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The addresses in what `getent ahosts` prints, each once. */
export function addressesIn(text: string): string[] {
  return [
    ...new Set(
      text.split("\n").flatMap((line) => {
        const address = line.split(/\s/)[0]?.replace(/%.*/, "");
        return address ? [address] : [];
      }),
    ),
  ];
}
