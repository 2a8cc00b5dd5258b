/** Users by their uids, both ends included. */
export interface Uids {
  readonly first: number;
  readonly last: number;
}

const SUBUID = "/etc/subuid";
/** What one line of subuid may give away: beyond this it's no person's any more. */
const MOST = 1 << 24;

/** Ranges of one user that are heeded: what the BPF programs' settings have room for. */
export const UID_RANGES = 4;

/** The user, and the user's subordinate uids (subuid(5)), as whom rootless containers with the host's network run. */
export function uidsOf(uid: number): Uids[] {
  return [{ first: uid, last: uid }, ...subordinate(uid)].slice(0, UID_RANGES);
}

function subordinate(uid: number): Uids[] {
  try {
    return parseSubuids(Deno.readTextFileSync(SUBUID), [String(uid), nameOf(uid)]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** The ranges of one user, by any of their names. Never those of accounts of the system. */
export function parseSubuids(text: string, names: readonly (string | undefined)[]): Uids[] {
  return text.split("\n").flatMap((line) => {
    const [, name, first, count] = /^([^:#]+):([0-9]{1,10}):([0-9]{1,10})$/.exec(line.trim()) ?? [];
    if (name === undefined || !names.includes(name)) return [];
    const range = { first: Number(first), last: Number(first) + Number(count) - 1 };
    return range.first >= 1000 && Number(count) > 0 && Number(count) <= MOST && range.last < 0xffffffff
      ? [range]
      : [];
  });
}

function nameOf(uid: number): string | undefined {
  const line = Deno.readTextFileSync("/etc/passwd").split("\n").find((line) =>
    line.split(":")[2] === `${uid}`
  );
  return line?.split(":")[0];
}
