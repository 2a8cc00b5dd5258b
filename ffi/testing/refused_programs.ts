/** Programs of bpf/capture.bpf.o that this kernel takes none of: it has to show the device that a packet came by, since 5.17. */
export const refusedPrograms: readonly string[] = seesDevice() ? [] : ["steer"];

function seesDevice(): boolean {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  return major > 5 || major === 5 && minor >= 17;
}
