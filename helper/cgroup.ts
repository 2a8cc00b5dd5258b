import { readProcFile } from "../ffi/proc/proc_file.ts";

/** There is no cgroup v2, so no connection could be refused; then none is captured. */
export class NoCgroup extends Error {
  override name = "NoCgroup";
}

/**
 * The root of the machine's cgroup v2 (or of this container's), where every process's sockets can be seen; undefined
 * where cgroup v2 isn't mounted.
 * @param isShown whether a path leads to cgroup v2: what is mounted there later may hide it
 */
export function findRootCgroup(
  mountinfo: string = readProcFile("/proc/self/mountinfo"),
  isShown: (place: string) => boolean = hasControllers,
): string | undefined {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    // `man 5 proc`: the fifth field is the place, the one after " - " the kind; spaces in a path are \040.
    const [left = "", right = ""] = line.split(" - ");
    const place = left.split(" ")[4];
    return right.startsWith("cgroup2 ") && place !== undefined ? [place.replaceAll("\\040", " ")] : [];
  }).filter(isShown);
  return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((place) => mounts.includes(place)) ?? mounts[0];
}

/** Whether a folder is one of cgroup v2: no other file system, nor cgroup v1, has this file. */
function hasControllers(place: string): boolean {
  try {
    return Deno.statSync(`${place}/cgroup.controllers`).isFile;
  } catch {
    return false;
  }
}

/** The same, where cgroup v2 has to be mounted. @throws {NoCgroup} */
export function rootCgroup(mountinfo?: string, isShown?: (place: string) => boolean): string {
  const root = findRootCgroup(mountinfo, isShown);
  if (root === undefined) {
    throw new NoCgroup("cgroup v2 isn't mounted: mount -t cgroup2 none /sys/fs/cgroup/unified");
  }
  return root;
}
