import { type Accounts, type Arrival, isAmong, type SocketOwners } from "../../ffi/proc/socket_owner.ts";

/**
 * Whose socket a query comes from. `root`: a program that the user has started and that runs with root's rights (setuid): the hooks
 * go by who started it, sockets by whose rights they were made with. What root relies on isn't for the user's daemon to answer.
 */
export type Sender = "user" | "root" | "other";

/** Tells whose a query is; `other` when it can't be told. */
export async function senderOf(
  owners: Pick<SocketOwners, "owner">,
  arrival: Arrival,
  accounts: Accounts,
): Promise<Sender> {
  const uid = await owners.owner(arrival).catch(() => undefined);
  if (uid === undefined) return "other";
  if (isAmong(uid, accounts)) return "user";
  return uid === 0 ? "root" : "other";
}
