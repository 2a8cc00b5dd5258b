const { getpwnam } = Deno.dlopen("libc.so.6", {
  getpwnam: { parameters: ["buffer"], result: "pointer" },
}).symbols;
/** Of pw_uid in struct passwd, after two pointers. */
const UID_OFFSET = 16;
const LARGEST_UID = 0xfffffffe;

/**
 * The uid of an account by its name, by whatever the machine asks (files, LDAP, a directory); a number that is no account's name is a
 * uid itself. Undefined where there is no such account.
 */
export function uidOf(account: string): number | undefined {
  const found = getpwnam(new TextEncoder().encode(`${account}\0`));
  if (found !== null) return new Deno.UnsafePointerView(found).getUint32(UID_OFFSET);
  return /^[0-9]{1,10}$/.test(account) && Number(account) <= LARGEST_UID ? Number(account) : undefined;
}
