import { readProcFile } from "../ffi/proc/proc_file.ts";

/** There is no cgroup v2, so no connection could be refused; then none is captured. */
export class NoCgroup extends Error {
  override name = "NoCgroup";
}

/**
 * The root of the machine's cgroup v2 (or of this container's), where every process's sockets can be seen; undefined
 * where cgroup v2 isn't mounted.
 */
export function findRootCgroup(
  mountinfo: string = readProcFile("/proc/self/mountinfo"),
): string | undefined {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    // `man 5 proc`: the fifth field is the place, the one after " - " the kind; spaces in a path are \040.
    const [left = "", right = ""] = line.split(" - ");
    const place = left.split(" ")[4];
    return right.startsWith("cgroup2 ") && place !== undefined ? [place.replaceAll("\\040", " ")] : [];
  });
  return ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].find((place) => mounts.includes(place)) ?? mounts[0];
}

/** The same, where cgroup v2 has to be mounted. @throws {NoCgroup} */
export function rootCgroup(mountinfo?: string): string {
  const root = findRootCgroup(mountinfo);
  if (root === undefined) {
    throw new NoCgroup("cgroup v2 isn't mounted: mount -t cgroup2 none /sys/fs/cgroup/unified");
  }
  return root;
}
