/**
 * Reading of what the host's /proc says of a process: which pod it belongs to, and when it started.
 */

/**
 * The UID of the pod that a process belongs to, from its /proc/PID/cgroup; undefined when it's in none.
 *
 * The kubelet names a pod's group "podUID" (driver cgroupfs) or "kubepods-CLASS-podUID.slice" (driver systemd, with
 * "_" for "-"). Only the outermost such name counts: what lies below is in the hands of the pod. A reader with a cgroup
 * namespace of its own sees the path with "/.." in front, and "kubepods" may be cut off.
 */
export function podOfCgroup(text: string): string | undefined {
  for (const line of text.split("\n")) {
    const path = line.slice(line.indexOf(":", line.indexOf(":") + 1) + 1);
    const found = name.exec(path)?.[1];
    if (found) return found.replaceAll("_", "-");
  }
}

const name =
  /(?:\/|-)pod([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12})(?:\.slice)?(?:\/|$)/m;

/**
 * When a process started, in clock ticks since boot: field 22 of /proc/PID/stat (`man 5 proc`). Its name, in
 * parentheses before, may hold anything, spaces and parentheses too.
 * @throws {TypeError} when that's no stat.
 */
export function startOfStat(text: string): bigint {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const start = fields[19];
  if (start === undefined || !/^[0-9]+$/.test(start)) throw new TypeError("that is no /proc/PID/stat");
  return BigInt(start);
}

/**
 * Whether a process is a zombie, or dead, by its /proc/PID/stat. One whose first thread has ended is shown as a zombie while others
 * of its threads run: field 20 says how many there are.
 */
export function hasEnded(text: string): boolean {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "X" || (fields[0] === "Z" && Number(fields[17]) <= 1);
}

/** The name of a process (`comm`), from its /proc/PID/stat. */
export function nameOfStat(text: string): string {
  return text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
}
