import { libc, must } from "../libc.ts";

const RLIMIT_NOFILE = 7;

/** Nobody in this process can open anything more until this is disposed of, but for what is given back by {@linkcode giveBack}. */
export class NoOpenFiles implements Disposable {
  readonly #limit = openFiles();
  readonly #files: Deno.FsFile[];

  constructor() {
    // Room for one more at least: that of the listing itself.
    const open = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name));
    limitOpenFiles({ ...this.#limit, soft: 1 + Math.max(...open) });
    this.#files = filesUpToTheLimit();
  }

  /** Lets one descriptor be taken. */
  giveBack(): void {
    this.#files.pop()?.close();
  }

  [Symbol.dispose](): void {
    limitOpenFiles(this.#limit);
    for (const file of this.#files.splice(0)) file.close();
  }
}

function filesUpToTheLimit(): Deno.FsFile[] {
  const files: Deno.FsFile[] = [];
  try {
    for (;;) files.push(Deno.openSync("/dev/null"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EMFILE") return files;
    throw error;
  }
}

interface Limit {
  readonly soft: number;
  readonly hard: number;
}

function openFiles(): Limit {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const [, soft, hard] = /^Max open files +(\d+) +(\d+)/m.exec(limits) ?? [];
  if (!soft || !hard) throw new Error(`there is no limit of open files in ${limits}`);
  return { soft: Number(soft), hard: Number(hard) };
}

function limitOpenFiles({ soft, hard }: Limit): void {
  const limits = new Uint8Array(new BigUint64Array([BigInt(soft), BigInt(hard)]).buffer);
  must("setrlimit", libc.setrlimit(RLIMIT_NOFILE, limits));
}
