/** IFF_UP of a device's flags (linux/if.h). */
const UP = 1;

/** Whether the device lo is down: what is captured, and questions for names, go by it. @param folder of the device's files */
export function isLoopbackDown(folder = "/sys/class/net/lo"): boolean {
  try {
    return (Number(Deno.readTextFileSync(`${folder}/flags`)) & UP) === 0;
  } catch {
    return false; // it isn't known
  }
}
