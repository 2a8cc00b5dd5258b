import { pollUntil } from "../../async/poll_until.ts";
import { Netlink } from "../../ffi/netlink/netlink.ts";
import { allRules, firstUserOf, type Rule } from "../../ffi/netlink/rule.ts";
import { isTableOfPmz } from "../../wire/helper.ts";

/** A helper that has just been let go takes its rules along within this, in milliseconds. */
const SETTLE_MS = 1_000;

/**
 * What pmz has left in this user's way to the network though nothing of it runs, in words; empty: nothing. Only
 * rules can stay (devices and routes go with their process), and only where helper and janitor were both killed.
 */
export async function leftovers(uid: number = Deno.uid() ?? -1): Promise<string[]> {
  using netlink = new Netlink();
  await pollUntil(() => rulesOf(netlink, uid).length === 0, { timeoutMs: SETTLE_MS });
  return rulesOf(netlink, uid).map(({ family, priority, table }) =>
    `an empty rule (IPv${family}, priority ${priority}, table ${table}): pmz up takes it away, or root by ip rule`
  );
}

/** The rules that lead to the table of a user: the user's are the first of those. */
function rulesOf(netlink: Netlink, uid: number): Rule[] {
  const all = allRules(netlink).filter(({ table }) => isTableOfPmz(table));
  return all.filter(({ table }) => firstUserOf(table, all) === uid);
}
