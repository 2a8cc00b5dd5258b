/** What libbpf prints while something runs: the kernel's refusals and the verifier's words, of which errno tells nothing. */

const WARN = 0;
/** Characters that are kept, from the end: the verifier says at the end what it minds. */
const LONGEST = 16 * 1024;

/** vsnprintf takes the va_list that libbpf gives: on x86_64 and aarch64 alike it arrives as a pointer. */
const { vsnprintf } = Deno.dlopen("libc.so.6", {
  vsnprintf: { parameters: ["buffer", "usize", "pointer", "pointer"], result: "i32" },
}).symbols;

/** libbpf_set_print(3). */
export type SetPrint = (print: Deno.PointerValue) => Deno.PointerValue;

/**
 * Runs `body`, and gives what libbpf printed meanwhile with its result. libbpf has one printer a process: only one
 * thread may do this at a time, and `body` must not wait for anything.
 */
export function withLog<T>(setPrint: SetPrint, body: () => T): { readonly result: T; readonly log: string } {
  let log = "";
  const line = new Uint8Array(LONGEST);
  const print = new Deno.UnsafeCallback(
    { parameters: ["i32", "pointer", "pointer"], result: "i32" },
    (level, format, values) => {
      if (level !== WARN) return 0;
      const length = vsnprintf(line, BigInt(line.length), format, values);
      const text = new TextDecoder().decode(line.subarray(0, Math.max(0, Math.min(length, line.length - 1))));
      log = (log + text).slice(-LONGEST);
      return 0;
    },
  );
  setPrint(print.pointer);
  try {
    return { result: body(), log };
  } finally {
    setPrint(null); // silent
    print.close();
  }
}

/** The few lines of a log that say why: the verifier's last words before its statistics, without libbpf's frame. */
export function reasonOf(log: string): string {
  const lines = log.split("\n").map((line) => line.replace(/^libbpf: /, "").trim())
    .filter((line) =>
      line !== "" &&
      !/^(-- (BEGIN|END)|processed \d+ insns|prog '.*': failed to load|failed to load object)/.test(line)
    );
  return lines.slice(-3).join("; ");
}
