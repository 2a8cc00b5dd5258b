/**
 * The accounts that have a daemon of pmz in this network namespace (containers have others), by what processes were started as:
 * build/launcher/ starts "pmz run ... FOLDER/main.js daemon". Which namespace others' processes are in only root sees.
 */
export function runningDaemons(proc = "/proc"): number[] {
  const here = Deno.readLinkSync(`${proc}/self/ns/net`);
  const uids = new Set<number>();
  for (const { name } of Deno.readDirSync(proc)) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = Deno.readTextFileSync(`${proc}/${name}/cmdline`).split("\0");
      const main = words.findIndex((word) => word.endsWith("/main.js"));
      const uid = Deno.statSync(`${proc}/${name}`).uid;
      if (words[0] !== "pmz" || main < 0 || words[main + 1] !== "daemon" || uid === null) continue;
      if (Deno.readLinkSync(`${proc}/${name}/ns/net`) === here) uids.add(uid);
    } catch {
      // It has just ended, or is somebody else's.
    }
  }
  return [...uids].sort((a, b) => a - b);
}
