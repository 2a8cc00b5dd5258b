import { type HelperGrant, isAccountName, MOST_ACCOUNTS } from "../wire/helper.ts";
import { ADDRESSES } from "./capture_hooks.ts";
import { parseRange } from "../net/range.ts";

/** A command line that doesn't fit the helper. */
export class BadGrant extends Error {
  override name = "BadGrant";
}

/** Reads the arguments that grantArguments makes. @throws {BadGrant} */
export function parseGrant(args: readonly string[]): HelperGrant {
  const given = new Map<string, string>();
  for (const arg of args) {
    const [, name, value] = /^--(uid|cap|also|ranges|never)=(.*)$/.exec(arg) ?? [];
    if (name === undefined || value === undefined || given.has(name)) {
      throw new BadGrant(
        `${arg} is not a valid argument of the helper: expected --uid=, --cap=, --also=, --ranges= and --never=, each once`,
      );
    }
    given.set(name, value);
  }
  return {
    uid: number("uid", given.get("uid"), 0xfffffffe),
    cap: number("cap", given.get("cap"), ADDRESSES),
    also: accounts(given.get("also")),
    ranges: ranges("ranges", given.get("ranges")),
    never: ranges("never", given.get("never")),
  };
}

function number(name: string, value: string | undefined, most: number): number {
  if (value === undefined || !/^[0-9]{1,10}$/.test(value) || Number(value) > most) {
    throw new BadGrant(`--${name} is not a valid number: expected 0 to ${most}`);
  }
  return Number(value);
}

function accounts(value: string | undefined): string[] {
  const all = value ? value.split(",") : [];
  if (all.length > MOST_ACCOUNTS || !all.every(isAccountName)) {
    throw new BadGrant(`--also is not a valid list of accounts: expected ${MOST_ACCOUNTS} names at most`);
  }
  return all;
}

function ranges(name: string, value: string | undefined): string[] {
  const all = value ? value.split(",") : [];
  for (const one of all) {
    if (!parseRange(one)) throw new BadGrant(`${one} in --${name} is not a valid address or range`);
  }
  return all;
}
