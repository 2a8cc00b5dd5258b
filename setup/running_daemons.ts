/**
 * The accounts that have a daemon of pmz, by what processes were started as: build/launcher/ starts "pmz run ... FOLDER/main.js
 * daemon". Where /proc hides others' processes only root sees them.
 */
export function runningDaemons(proc = "/proc"): number[] {
  const uids = new Set<number>();
  for (const { name } of Deno.readDirSync(proc)) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = Deno.readTextFileSync(`${proc}/${name}/cmdline`).split("\0");
      const main = words.findIndex((word) => word.endsWith("/main.js"));
      const uid = Deno.statSync(`${proc}/${name}`).uid;
      if (words[0] === "pmz" && main > 0 && words[main + 1] === "daemon" && uid !== null) uids.add(uid);
    } catch {
      // It has just ended.
    }
  }
  return [...uids].sort((a, b) => a - b);
}
