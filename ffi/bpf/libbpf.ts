import { cstring, libc, must, SystemCallError } from "../libc.ts";
import { reasonOf, withLog } from "./libbpf_log.ts";
import { sealedFile } from "../memfd.ts";
import { bpfFacts, explainRefusal } from "./refusal.ts";
import { RingBuffer, ringBufferSymbols } from "./ring_buffer.ts";

const symbols = {
  bpf_link__destroy: { parameters: ["pointer"], result: "i32" },
  bpf_map__fd: { parameters: ["pointer"], result: "i32" },
  bpf_map_delete_elem: { parameters: ["i32", "buffer"], result: "i32" },
  bpf_map_lookup_elem: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  bpf_map_update_elem: { parameters: ["i32", "buffer", "buffer", "u64"], result: "i32" },
  bpf_object__close: { parameters: ["pointer"], result: "void" },
  bpf_object__find_map_by_name: { parameters: ["pointer", "buffer"], result: "pointer" },
  bpf_object__find_program_by_name: { parameters: ["pointer", "buffer"], result: "pointer" },
  bpf_object__load: { parameters: ["pointer"], result: "i32" },
  bpf_object__open_mem: { parameters: ["buffer", "usize", "pointer"], result: "pointer" },
  bpf_program__attach_cgroup: { parameters: ["pointer", "i32"], result: "pointer" },
  bpf_program__attach_netns: { parameters: ["pointer", "i32"], result: "pointer" },
  bpf_program__set_autoload: { parameters: ["pointer", "bool"], result: "i32" },
  libbpf_get_error: { parameters: ["pointer"], result: "i64" },
  libbpf_set_print: { parameters: ["function"], result: "pointer" },
  ring_buffer__new: { parameters: ["i32", "function", "pointer", "pointer"], result: "pointer" },
  ...ringBufferSymbols,
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.StaticForeignLibraryInterface<typeof symbols>;

/** A BPF program, map or link that the kernel or libbpf refused. */
export class BpfError extends Error {
  override name = "BpfError";
  readonly errno: number;

  /** @param reason what the kernel or the verifier said in addition */
  constructor(what: string, errno: number, reason = "") {
    const { message } = new SystemCallError(what, errno);
    const hint = explainRefusal(errno, bpfFacts());
    super(message + (hint && `: ${hint}`) + (reason && ` (${reason})`));
    this.errno = errno;
  }
}

/** libbpf (1.x, with libelf and zlib inside or at hand), loaded from sealed memory: never from a path that others can write. */
export class Libbpf {
  readonly #symbols: Symbols;

  private constructor(library: Symbols) {
    this.#symbols = library;
  }

  /** @throws when the bytes are no library for this machine. */
  static load(bytes: Uint8Array<ArrayBuffer>): Libbpf {
    return new Libbpf(Deno.dlopen(sealedFile(bytes, "libbpf").path, symbols).symbols);
  }

  /** Opens a BPF object (an ELF file); nothing is in the kernel yet. @throws {BpfError} */
  open(object: Uint8Array<ArrayBuffer>, name: string): BpfObject {
    const opened = this.#symbols.bpf_object__open_mem(object, BigInt(object.length), null);
    return new BpfObject(this.#symbols, name, ok(this.#symbols, `open ${name}`, opened));
  }
}

/** The programs and maps of one object. Disposing takes all of them out of the kernel that nothing else holds. */
export class BpfObject implements Disposable {
  readonly #symbols: Symbols;
  readonly #name: string;
  #object: Deno.PointerObject | undefined;

  constructor(library: Symbols, name: string, object: Deno.PointerObject) {
    this.#symbols = library;
    this.#name = name;
    this.#object = object;
  }

  /**
   * Loads maps and programs into the kernel.
   * @param without programs that are left out: those of other kernels.
   * @throws {BpfError} with what the verifier said.
   */
  load(without: readonly string[] = []): void {
    for (const name of without) this.#symbols.bpf_program__set_autoload(this.#program(name), false);
    const { result, log } = withLog(
      this.#symbols.libbpf_set_print,
      () => this.#symbols.bpf_object__load(this.#pointer()),
    );
    if (result < 0) throw new BpfError(`load ${this.#name}`, -result, reasonOf(log));
  }

  map(name: string): BpfMap {
    const map = this.#symbols.bpf_object__find_map_by_name(this.#pointer(), cstring(name));
    if (map === null) throw new TypeError(`${this.#name} has no map ${name}`);
    return new BpfMap(this.#symbols, `${this.#name}: map ${name}`, this.#symbols.bpf_map__fd(map));
  }

  program(name: string): BpfProgram {
    return new BpfProgram(this.#symbols, `${this.#name}: program ${name}`, this.#program(name));
  }

  #program(name: string): Deno.PointerObject {
    const program = this.#symbols.bpf_object__find_program_by_name(this.#pointer(), cstring(name));
    if (program === null) throw new TypeError(`${this.#name} has no program ${name}`);
    return program;
  }

  #pointer(): Deno.PointerObject {
    if (!this.#object) throw new TypeError(`${this.#name} is closed`);
    return this.#object;
  }

  [Symbol.dispose](): void {
    if (this.#object) this.#symbols.bpf_object__close(this.#object);
    this.#object = undefined;
  }
}

/** A map; valid as long as its object. */
export class BpfMap {
  readonly #symbols: Symbols;
  readonly #name: string;
  readonly fd: number;

  constructor(library: Symbols, name: string, fd: number) {
    this.#symbols = library;
    this.#name = name;
    this.fd = fd;
  }

  /** Sets an entry (BPF_ANY). @throws {BpfError} E2BIG when the map is full. */
  update(key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>, flags = 0n): void {
    const result = this.#symbols.bpf_map_update_elem(this.fd, key, value, flags);
    if (result < 0) throw new BpfError(`${this.#name}: update`, -result);
  }

  /** Deletes an entry; false when there was none. @throws {BpfError} */
  delete(key: Uint8Array<ArrayBuffer>): boolean {
    const result = this.#symbols.bpf_map_delete_elem(this.fd, key);
    if (result < 0 && result !== -2) throw new BpfError(`${this.#name}: delete`, -result);
    return result === 0;
  }

  /** The entry's value of `size` bytes; undefined when there's none. @throws {BpfError} */
  lookup(key: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> | undefined {
    const value = new Uint8Array(size);
    const result = this.#symbols.bpf_map_lookup_elem(this.fd, key, value);
    if (result < 0 && result !== -2) throw new BpfError(`${this.#name}: lookup`, -result);
    return result === 0 ? value : undefined;
  }

  /** Reads the records of a ring buffer (5.8), which has one reader. @throws {BpfError} */
  records(): RingBuffer {
    return new RingBuffer(this.#symbols, (take) => {
      const ring = this.#symbols.ring_buffer__new(this.fd, take, null, null);
      return ok(this.#symbols, `${this.#name}: read`, ring);
    });
  }
}

/** A program; valid as long as its object. */
export class BpfProgram {
  readonly #symbols: Symbols;
  readonly #name: string;
  readonly #program: Deno.PointerObject;

  constructor(library: Symbols, name: string, program: Deno.PointerObject) {
    this.#symbols = library;
    this.#name = name;
    this.#program = program;
  }

  /** Attaches it to a network namespace by its descriptor (sk_lookup: 5.9). @throws {BpfError} */
  attachNetns(fd: number): BpfLink {
    const link = this.#symbols.bpf_program__attach_netns(this.#program, fd);
    return new BpfLink(
      this.#symbols,
      ok(this.#symbols, `${this.#name}: attach to a network namespace`, link),
    );
  }

  /** Attaches it to a cgroup v2 by its folder's descriptor (a bpf_link: 5.7). @throws {BpfError} */
  attachCgroup(fd: number): BpfLink {
    const link = this.#symbols.bpf_program__attach_cgroup(this.#program, fd);
    return new BpfLink(this.#symbols, ok(this.#symbols, `${this.#name}: attach to a cgroup`, link));
  }
}

/** An attachment. It ends when this is disposed, and with the process: nothing is pinned. */
export class BpfLink implements Disposable {
  readonly #symbols: Symbols;
  #link: Deno.PointerObject | undefined;

  constructor(library: Symbols, link: Deno.PointerObject) {
    this.#symbols = library;
    this.#link = link;
  }

  [Symbol.dispose](): void {
    if (this.#link) this.#symbols.bpf_link__destroy(this.#link);
    this.#link = undefined;
  }
}

/** libbpf 1.x gives NULL and errno; 0.x an address that is an error. */
function ok(library: Symbols, what: string, pointer: Deno.PointerValue): Deno.PointerObject {
  const error = Number(library.libbpf_get_error(pointer));
  if (pointer === null || error !== 0) throw new BpfError(what, Math.abs(error));
  return pointer;
}

/** Opens a folder of cgroup v2, or a netns file, for attaching to. The caller closes it. @throws {SystemCallError} */
export function openForAttach(path: string): number {
  return must(`open ${path}`, libc.open(cstring(path), 0x80000, 0));
}
