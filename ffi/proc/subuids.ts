/** Users by their uids, both ends included. */
export interface Uids {
  readonly first: number;
  readonly last: number;
}

const { getpwuid } = Deno.dlopen("libc.so.6", {
  getpwuid: { parameters: ["u32"], result: "pointer" },
}).symbols;
const SUBUID = "/etc/subuid";
/** What one line of subuid may give away: beyond this it's no person's any more. */
const MOST = 1 << 24;

/** Ranges of one user that are heeded, the user among them. */
export const OWN_RANGES = 4;

/** What is known of the accounts of this machine. */
export interface AccountFacts {
  /** The lines of /etc/passwd. */
  readonly passwd: string;
  /** Uids that somebody uses here: of processes, home folders, logins. */
  readonly used: () => Iterable<number>;
  /** Whether an account has a uid, by whatever the machine asks (files, LDAP, a directory). */
  readonly isAccount: (uid: number) => boolean;
}

/**
 * The user, and the user's subordinate uids (subuid(5)), as whom rootless containers with the host's network run. A range in which
 * somebody else has an account is left out: directories give uids that /etc/subuid knows nothing of.
 */
export function uidsOf(uid: number, facts: AccountFacts = thisMachine()): Uids[] {
  const own = { first: uid, last: uid };
  return [own, ...subordinate(uid, facts.passwd).filter((range) => !hasAccount(range, uid, facts))]
    .slice(0, OWN_RANGES);
}

/** Whether an account of somebody else is in a range. */
export function hasAccount(
  { first, last }: Uids,
  user: number,
  { passwd, used, isAccount }: AccountFacts,
): boolean {
  const isWithin = (uid: number) => uid >= first && uid <= last && uid !== user;
  if (passwd.split("\n").some((line) => isWithin(Number(line.split(":")[2] || NaN)))) return true;
  return [...new Set(used())].some((uid) => isWithin(uid) && isAccount(uid));
}

/** What this machine knows now. */
export function thisMachine(): AccountFacts {
  return {
    passwd: Deno.readTextFileSync("/etc/passwd"),
    used: usedUids,
    isAccount: (uid) => getpwuid(uid) !== null,
  };
}

/** How long the answer that a uid is nobody's account is believed, in milliseconds: a directory that is far away is slow to say so. */
const BELIEVED_MS = 600_000;

/** Says again and again whether somebody else than the user has an account in a range, and asks for no uid too often. */
export function accountFinder(user: number, facts = thisMachine): (range: Uids) => boolean {
  const nobodys = new Map<number, number>();
  const isNobodys = (uid: number) => performance.now() - (nobodys.get(uid) ?? -Infinity) < BELIEVED_MS;
  return (range) => {
    const { passwd, used, isAccount } = facts();
    return hasAccount(range, user, {
      passwd,
      used,
      isAccount: (uid) => {
        if (isNobodys(uid)) return false;
        if (isAccount(uid)) return true;
        nobodys.set(uid, performance.now());
        return false;
      },
    });
  };
}

/** The owners of processes, home folders and login sessions. */
function* usedUids(): Generator<number> {
  for (const folder of ["/home", "/proc", "/run/user"]) {
    try {
      for (const { name } of Deno.readDirSync(folder)) {
        if (folder === "/proc" && !/^[0-9]+$/.test(name)) continue;
        const { uid } = statOf(`${folder}/${name}`);
        if (typeof uid === "number") yield uid;
      }
    } catch {
      // A machine without such a folder, or one that isn't for us.
    }
  }
}

function statOf(path: string): { readonly uid?: number | null } {
  try {
    return Deno.statSync(path);
  } catch {
    return {}; // it has ended
  }
}

function subordinate(uid: number, passwd: string): Uids[] {
  try {
    return parseSubuids(Deno.readTextFileSync(SUBUID), namesOf(uid, passwd));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * The ranges of one user, by any of their names. Never those of accounts of the system, nor one that somebody else has a part of: whose
 * container it is can't be told there.
 */
export function parseSubuids(text: string, names: readonly (string | undefined)[]): Uids[] {
  const all = text.split("\n").flatMap((line) => {
    const [, name, first, count] = /^([^:#]+):([0-9]{1,10}):([0-9]{1,10})$/.exec(line.trim()) ?? [];
    if (name === undefined || Number(count) === 0) return [];
    return [{ name, first: Number(first), last: Number(first) + Number(count) - 1 }];
  });
  const others = all.filter(({ name }) => !names.includes(name));
  return all.filter(({ name, first, last }) =>
    names.includes(name) && first >= 1000 && last - first < MOST && last < 0xffffffff &&
    !others.some((other) => other.first <= last && first <= other.last)
  ).map(({ first, last }) => ({ first, last }));
}

/** What a user is called in /etc/subuid: by the account's name, or by the uid unless that is another account's name. */
export function namesOf(uid: number, passwd: string): string[] {
  const accounts = passwd.split("\n").map((line) => line.split(":"));
  const name = accounts.find(([, , number]) => number === `${uid}`)?.[0];
  const isAnothers = accounts.some(([name, , number]) => name === `${uid}` && number !== `${uid}`);
  return [...(name === undefined ? [] : [name]), ...(isAnothers ? [] : [`${uid}`])];
}
