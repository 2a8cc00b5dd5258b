import { type Uids, uidsOf } from "../ffi/proc/subuids.ts";
import { factsOf } from "../ffi/descriptor.ts";
import { Libbpf, openForAttach } from "../ffi/bpf/libbpf.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { closeDescriptor, startConnect, tcpSocket } from "../ffi/sockets/socket.ts";
import type { HelperGrant } from "../wire/helper.ts";
import { Capture, KNOCK_PORT } from "./capture.ts";
import { rootCgroup } from "./cgroup.ts";
import { UserDevice } from "./device.ts";
import { Janitor } from "./janitor.ts";
import { Names } from "./names.ts";
import { UserRules } from "./rule.ts";
import { SharedSettings } from "./settings.ts";

/** libbpf and the BPF objects, as bytes (ffi/assets.ts). */
export interface HelperAssets {
  readonly libbpf: Uint8Array<ArrayBuffer>;
  readonly capture: Uint8Array<ArrayBuffer>;
  readonly names: Uint8Array<ArrayBuffer>;
}

/** Everything of one user's that is on the machine: device, rules, programs, and who cleans up after them. */
export class Laptop implements AsyncDisposable {
  readonly netlink: Netlink;
  readonly device: UserDevice;
  readonly capture: Capture;
  readonly names: Names;
  readonly settings: SharedSettings;
  /** The inode of this netns. */
  readonly netns: bigint;
  readonly #resources: AsyncDisposableStack;

  private constructor(grant: HelperGrant, assets: HelperAssets, cgroup: string, stack: AsyncDisposableStack) {
    const uids: readonly Uids[] = uidsOf(grant.uid);
    this.netlink = stack.use(new Netlink());
    const device = UserDevice.create(this.netlink);
    this.device = device;
    const families = device.own6 ? [4, 6] as const : [4] as const;
    const addresses = [device.own4, device.own6].flatMap((address) => address ? [address.text] : []);
    stack.use(
      new Janitor({
        rules: families.flatMap((family) =>
          uids.map((range) => ({ family, priority: UserRules.PRIORITY, table: device.table, uids: range }))
        ),
        addresses,
      }),
    );
    stack.use(device); // goes before the janitor is told
    stack.use(new UserRules(this.netlink, uids, device.table, families));
    this.settings = new SharedSettings({
      netns: 0n,
      own4: device.own4,
      own6: device.own6,
      workers4: 0,
      workers6: 0,
      daemon: 0,
      device: device.index,
      uids,
    });
    const libbpf = Libbpf.load(assets.libbpf);
    this.capture = stack.use(new Capture(libbpf, assets.capture, this.settings, cgroup));
    this.settings.set({ netns: learnNetns(this.capture, device, cgroup) });
    this.names = stack.use(new Names(libbpf, assets.names, this.settings, cgroup));
    this.netns = netnsInode();
    this.#resources = stack.move();
  }

  /**
   * @param cgroup whose processes are touched; by default the machine's root
   * @throws {DeviceError} {BpfError} {NoCgroup} {ProgramMissing} {SystemCallError}: nothing is left then
   */
  static async create(grant: HelperGrant, assets: HelperAssets, cgroup = rootCgroup()): Promise<Laptop> {
    await using stack = new AsyncDisposableStack();
    return new Laptop(grant, assets, cgroup, stack);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

/**
 * The cookie of this netns: SO_NETNS_COOKIE is only known since 5.14, so the hook is asked instead. That also shows that
 * the hooks are in force.
 */
function learnNetns(capture: Capture, device: UserDevice, cgroup: string): bigint {
  const fd = tcpSocket(4);
  try {
    startConnect(fd, { address: device.own4, port: KNOCK_PORT });
  } catch {
    /* the hook refuses it, as it has to */
  } finally {
    closeDescriptor(fd);
  }
  const knock = capture.knock("helper");
  if (!knock) throw new Error(`the hooks on ${cgroup} don't see this process: it's in no cgroup below that`);
  return knock.netns;
}

function netnsInode(): bigint {
  const fd = openForAttach("/proc/thread-self/ns/net");
  try {
    return factsOf(fd).inode;
  } finally {
    closeDescriptor(fd);
  }
}
