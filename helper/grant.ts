import type { HelperGrant } from "../wire/helper.ts";
import { ADDRESSES } from "./capture.ts";
import { parseRange } from "../net/range.ts";

/** A command line that is none of the helper's. */
export class BadGrant extends Error {
  override name = "BadGrant";
}

/** A grant as arguments: what sudo shows, and logs, is what is granted. Nothing of it is secret. */
export function grantArguments(grant: HelperGrant): string[] {
  return [
    `--uid=${grant.uid}`,
    `--cap=${grant.cap}`,
    ...(grant.ranges.length ? [`--ranges=${grant.ranges.join(",")}`] : []),
    ...(grant.never.length ? [`--never=${grant.never.join(",")}`] : []),
  ];
}

/** Reads grantArguments' arguments. @throws {BadGrant} */
export function parseGrant(args: readonly string[]): HelperGrant {
  const given = new Map<string, string>();
  for (const arg of args) {
    const [, name, value] = /^--(uid|cap|ranges|never)=(.*)$/.exec(arg) ?? [];
    if (name === undefined || value === undefined || given.has(name)) {
      throw new BadGrant(`the helper takes --uid=, --cap=, --ranges= and --never=, each once; not ${arg}`);
    }
    given.set(name, value);
  }
  return {
    uid: number("uid", given.get("uid"), 0xfffffffe),
    cap: number("cap", given.get("cap"), ADDRESSES),
    ranges: ranges("ranges", given.get("ranges")),
    never: ranges("never", given.get("never")),
  };
}

function number(name: string, value: string | undefined, most: number): number {
  if (value === undefined || !/^[0-9]{1,10}$/.test(value) || Number(value) > most) {
    throw new BadGrant(`--${name} has to be a number, ${most} at most`);
  }
  return Number(value);
}

function ranges(name: string, value: string | undefined): string[] {
  const all = value ? value.split(",") : [];
  for (const one of all) {
    if (!parseRange(one)) throw new BadGrant(`--${name}: ${one} is neither an address nor a range`);
  }
  return all;
}
