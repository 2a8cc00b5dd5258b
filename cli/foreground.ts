/** Whether the terminal sends its signals, as at Ctrl-C, to this process and those that it started. */
export async function isInForeground(): Promise<boolean> {
  const stat = await Deno.readTextFile("/proc/self/stat").catch(() => "");
  // From the third field on, since the second, a name, may have spaces (proc(5)): state, ppid, pgrp, session, tty_nr, tpgid.
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
  return group !== undefined && group === foreground;
}
