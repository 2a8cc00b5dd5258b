import { uidOf } from "../ffi/proc/account.ts";
import type { Uids } from "../ffi/proc/subuids.ts";
import { firstUserOf, type Rule } from "../ffi/netlink/rule.ts";
import { type Account, isTableOfPmz } from "../wire/helper.ts";

/** An account can't be inside. */
export class AccountError extends Error {
  override name = "AccountError";
}

/** The accounts of a grant, but for the user, who is inside anyhow. @throws {AccountError} where one doesn't exist */
export function accountsOf(names: readonly string[], user: number): Account[] {
  const accounts = names.map((name): Account => {
    const uid = uidOf(name);
    if (uid === undefined) throw new AccountError(`this machine has no account ${name}`);
    return { name, uid };
  });
  return accounts.filter(({ uid }, i) => uid !== user && accounts.findIndex((one) => one.uid === uid) === i);
}

/**
 * An account is inside of one user's pmz at most: of two, the first one's rule would decide where its connections go.
 * @param uids the user, and the accounts that are to be inside as well
 * @param rules all of the machine's
 * @param isInUse whether the helper of a table lives; the rules of one that was killed mean nothing
 * @throws {AccountError} where one is inside of another user's pmz
 */
export function claimAccounts(
  uids: readonly number[],
  rules: readonly Rule[],
  isInUse: (table: number) => boolean,
): void {
  const [user] = uids;
  for (const { table, uids: range, from } of rules) {
    const owner = isTableOfPmz(table) ? firstUserOf(table, rules) : undefined;
    if (owner === undefined || owner === user || from || !range) continue;
    const uid = uids.find((one) => isOne(range, one));
    if (uid === undefined || !isInUse(table)) continue;
    throw new AccountError(
      uid === owner
        ? `the account ${uid} has a pmz of its own, which is up: end that first, or leave it out of --also`
        : `the account ${uid} is inside of the pmz of account ${owner}: end that first (pmz down), or leave it out there`,
    );
  }
}

const isOne = ({ first, last }: Uids, uid: number): boolean => first === uid && last === uid;
