import { helperSocket } from "../wire/helper.ts";

/** What pmz may have left on this machine for this user, in words: devices, rules, a helper. Empty: nothing. */
export async function leftovers(uid: number = Deno.uid() ?? -1): Promise<string[]> {
  const left: string[] = [];
  try {
    using _conn = await Deno.connect({ transport: "unix", path: helperSocket(uid) });
    left.push("the root helper still runs");
  } catch { /* none listens, as it should be */ }
  return left;
}
