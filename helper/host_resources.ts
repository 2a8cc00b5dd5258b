import { type Uids, uidsOf } from "../ffi/proc/subuids.ts";
import { factsOf } from "../ffi/descriptor.ts";
import { FileLock } from "../ffi/proc/process.ts";
import { allRules } from "../ffi/netlink/rule.ts";
import { Libbpf, openForAttach } from "../ffi/bpf/libbpf.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { closeDescriptor, socketCookie, startConnect, tcpSocket } from "../ffi/sockets/socket.ts";
import { type Account, FIRST_TABLE, type HelperGrant } from "../wire/helper.ts";
import { accountsOf, claimAccounts } from "./accounts.ts";
import { CapturedRoutes } from "./captured_routes.ts";
import { CaptureHooks, IDENTIFY_PORT } from "./capture_hooks.ts";
import { rootCgroup } from "./cgroup.ts";
import { UserDevice } from "./device.ts";
import { traceTable } from "./firewall_trace.ts";
import { slotLock } from "./folder.ts";
import { Janitor } from "./janitor.ts";
import { NameHooks } from "./name_hooks.ts";
import { NetworkRepair } from "./network_repair.ts";
import { type RuleSelectors, rulesFor, UserRules } from "./rule.ts";
import { SharedSettings } from "./settings.ts";

/** libbpf and the BPF objects, as bytes (ffi/assets.ts). */
export interface HelperAssets {
  readonly libbpf: Uint8Array<ArrayBuffer>;
  readonly capture: Uint8Array<ArrayBuffer>;
  readonly names: Uint8Array<ArrayBuffer>;
}

/** All that the helper sets up on the machine for one user: device, rules and programs, with the janitor that cleans up. */
export class HostResources implements AsyncDisposable {
  readonly netlink: Netlink;
  readonly device: UserDevice;
  readonly capture: CaptureHooks;
  readonly names: NameHooks;
  readonly settings: SharedSettings;
  readonly rules: UserRules;
  readonly routes: CapturedRoutes;
  readonly janitor: Pick<Janitor, "tracing">;
  /** Puts device, addresses and routes right. The rules have a place to keep too: see FirstPlace. */
  readonly repair: NetworkRepair;
  /** The inode of this network namespace. */
  readonly netns: bigint;
  /** The user, and the user's subordinate uids, as of the start. */
  readonly uids: readonly Uids[];
  /** The accounts that are inside besides the user. */
  readonly also: readonly Account[];
  readonly #resources: AsyncDisposableStack;

  private constructor(grant: HelperGrant, assets: HelperAssets, cgroup: string, stack: AsyncDisposableStack) {
    this.also = accountsOf(grant.also, grant.uid);
    this.uids = uidsOf(grant.uid);
    const uids = this.#withAlso(this.uids);
    this.netlink = stack.use(new Netlink());
    const accounts = [grant.uid, ...this.also.map(({ uid }) => uid)];
    claimAccounts(accounts, allRules(this.netlink), (table) => isTaken(table - FIRST_TABLE));
    const device = UserDevice.create(this.netlink, (slot) => {
      const lock = FileLock.take(slotLock(slot), { inherited: true }); // by the janitor
      if (lock) stack.use(lock);
      return lock !== undefined;
    });
    this.device = device;
    const sources = device.own6 ? [device.own4, device.own6] : [device.own4];
    const selectors: RuleSelectors = { uids, table: device.table, sources };
    this.janitor = stack.use(
      new Janitor({
        rules: rulesFor(selectors),
        addresses: sources.map(({ text }) => text),
        nftTable: traceTable(device.table),
      }),
    );
    stack.use(device); // goes before the janitor is told
    this.rules = stack.use(new UserRules(this.netlink, selectors));
    this.settings = new SharedSettings({
      netns: 0n,
      own4: device.own4,
      own6: device.own6,
      workers4: 0,
      workers6: 0,
      daemon: 0,
      device: device.index,
      udp4: false,
      udp6: false,
      uids,
    });
    const libbpf = Libbpf.load(assets.libbpf);
    this.capture = stack.use(new CaptureHooks(libbpf, assets.capture, this.settings, cgroup));
    this.routes = new CapturedRoutes(this.netlink, device, () => this.capture.all);
    const capturesIpv6 = () => this.capture.all.some((text) => text.includes(":"));
    this.repair = new NetworkRepair([
      { part: "device", look: () => device.repair(this.netlink) },
      { part: "addresses", look: () => device.repairAddresses(this.netlink, capturesIpv6()) },
      { part: "routes", look: () => this.routes.repair() },
    ]);
    this.settings.set({ netns: learnNetns(this.capture, device, cgroup) });
    this.names = stack.use(new NameHooks(libbpf, assets.names, this.settings, cgroup));
    this.netns = netnsInode();
    this.#resources = stack.move();
  }

  /**
   * @param cgroup the one whose processes are affected; the machine's root by default
   * @throws {AccountError} {DeviceError} {BpfError} {NoCgroup} {ProgramMissing} {SystemCallError}; nothing is left behind then
   */
  static async create(
    grant: HelperGrant,
    assets: HelperAssets,
    cgroup = rootCgroup(),
  ): Promise<HostResources> {
    await using stack = new AsyncDisposableStack();
    return new HostResources(grant, assets, cgroup, stack);
  }

  /** Lets go of the user's own uids that are not among these. @throws {BpfError} {SystemCallError} */
  narrow(own: readonly Uids[]): void {
    const uids = this.#withAlso(own);
    this.settings.set({ uids });
    this.rules.narrow(uids);
  }

  #withAlso(own: readonly Uids[]): Uids[] {
    return [...own, ...this.also.map(({ uid }) => ({ first: uid, last: uid }))];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }
}

/**
 * The cookie of this network namespace. SO_NETNS_COOKIE came with 5.14, so a hook tells it instead; that also shows that the hooks
 * are in force.
 */
function learnNetns(capture: CaptureHooks, device: UserDevice, cgroup: string): bigint {
  const fd = tcpSocket(4);
  capture.expect("helper", socketCookie(fd));
  try {
    startConnect(fd, { address: device.own4, port: IDENTIFY_PORT });
  } catch {
    /* the hook refuses it, as it has to */
  } finally {
    closeDescriptor(fd);
  }
  const identity = capture.identity("helper");
  if (!identity) {
    throw new Error(`the hooks on ${cgroup} don't see this process: it's in no cgroup below that`);
  }
  return identity.netns;
}

/** Whether a slot's helper lives, or its janitor is at work. */
function isTaken(slot: number): boolean {
  using lock = FileLock.take(slotLock(slot));
  return lock === undefined;
}

function netnsInode(): bigint {
  const fd = openForAttach("/proc/thread-self/ns/net");
  try {
    return factsOf(fd).inode;
  } finally {
    closeDescriptor(fd);
  }
}
