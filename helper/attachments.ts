import { type BpfLink, type BpfObject, openForAttach } from "../ffi/bpf/libbpf.ts";
import { closeDescriptor } from "../ffi/sockets/socket.ts";

/** Attaches programs of an object to a cgroup; disposing detaches all of them. @throws {BpfError} when one can't be attached; then none is */
export function attachToCgroup(object: BpfObject, names: readonly string[], cgroup: string): DisposableStack {
  return attachAll(cgroup, names, (name, fd) => object.program(name).attachCgroup(fd));
}

/** Attaches a program to this thread's network namespace. @throws {BpfError} */
export function attachToNetns(object: BpfObject, name: string): DisposableStack {
  return attachAll("/proc/thread-self/ns/net", [name], (name, fd) => object.program(name).attachNetns(fd));
}

function attachAll(
  place: string,
  names: readonly string[],
  attach: (name: string, fd: number) => BpfLink,
): DisposableStack {
  using links = new DisposableStack();
  const fd = openForAttach(place);
  try {
    for (const name of names) links.use(attach(name, fd));
    return links.move();
  } finally {
    closeDescriptor(fd);
  }
}
