import assert from "node:assert/strict";
import { sleep } from "../../async/sleep.ts";
import { type IpAddress, parseAddress } from "../../net/address.ts";
import { inNewNetns, isRoot } from "../testing/netns.ts";
import { addAddress, linkUp, renameLink } from "./link.ts";
import { NetworkMonitor } from "./monitor.ts";
import { otherTables } from "./monitor_filter.ts";
import { Netlink } from "./netlink.ts";
import { addLocalRoutes, deleteLocalRoutes, LOCAL_TABLE } from "./route.ts";
import { addRule, deleteRule, type Rule } from "./rule.ts";
import { TunDevice } from "./tun.ts";

const ignore = !isRoot;
const TABLES = { first: 726_900, count: 100 };
/** No notification comes within this, in milliseconds: the kernel sends them within the call that makes the change. */
const SILENCE_MS = 50;

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** A network namespace with a device, and how often its monitor has told of a change. */
class Watched implements AsyncDisposable {
  readonly netlink: Netlink;
  readonly device: TunDevice;
  /** Another program's socket. */
  readonly other: Netlink;
  readonly #monitor: NetworkMonitor;
  readonly #listening: Promise<void>;
  #told = 0;

  /** @param only whether only changes of its own device, and of table 726900 by others, are told */
  constructor({ only } = { only: false }) {
    const made = inNewNetns(() => {
      const netlink = new Netlink();
      linkUp(netlink, 1);
      const device = TunDevice.create("tun7");
      assert.ok(device);
      linkUp(netlink, device.index);
      addAddress(netlink, device.index, address("10.8.0.2"));
      addAddress(netlink, device.index, address("fd00:8::2"));
      const own = { device: device.index, table: TABLES.first, writer: netlink.port };
      const monitor = new NetworkMonitor(only ? { only: own } : { without: TABLES });
      return { monitor, netlink, device, other: new Netlink() };
    });
    ({ monitor: this.#monitor, netlink: this.netlink, device: this.device, other: this.other } = made);
    this.#listening = this.#listen();
  }

  /** Whether a change is told. */
  async hears(change: () => void): Promise<boolean> {
    for (let told = -1; told !== this.#told;) {
      told = this.#told;
      await sleep(SILENCE_MS); // what came before
    }
    const before = this.#told;
    change();
    await sleep(SILENCE_MS);
    return this.#told > before;
  }

  async #listen(): Promise<void> {
    while (await this.#monitor.changed()) this.#told++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#monitor[Symbol.asyncDispose]();
    await this.#listening;
    this.device[Symbol.dispose]();
    this.other[Symbol.dispose]();
    this.netlink[Symbol.dispose]();
  }
}

function routesOf(device: TunDevice, table: number) {
  return { table, device: device.index, source4: address("10.8.0.2"), source6: address("fd00:8::2") };
}

Deno.test(
  { name: "links, addresses, routes and rules that come and go are told (needs root)", ignore },
  async () => {
    await using watched = new Watched();
    const { netlink, device } = watched;
    const rule: Rule = {
      family: 6,
      priority: 9,
      action: "lookup",
      table: 51_820,
      iif: undefined,
      uids: undefined,
      from: undefined,
    };
    const routes = routesOf(device, 51_820);
    const both = [address("10.96.0.1"), address("fd00:10::1")];
    const changes: Record<string, () => void> = {
      "an address": () => addAddress(netlink, device.index, address("10.8.0.3")),
      "an IPv6 address": () => addAddress(netlink, device.index, address("fd00:8::3")),
      "a route": () => void addLocalRoutes(netlink, routes, both.slice(0, 1)),
      "an IPv6 route": () => void addLocalRoutes(netlink, routes, both.slice(1)),
      "a route that goes": () => void deleteLocalRoutes(netlink, routes, both),
      "a rule": () => addRule(netlink, rule),
      "a rule that goes": () => deleteRule(netlink, rule),
      "a device that goes": () => device[Symbol.dispose](),
    };
    for (const [what, change] of Object.entries(changes)) assert.ok(await watched.hears(change), what);
  },
);

Deno.test({
  name: "routes of the tables that are left out aren't told, those next to them are (needs root)",
  ignore,
}, async () => {
  await using watched = new Watched();
  const { netlink, device } = watched;
  const many = Array.from({ length: 2_000 }, (_, i) => address(`10.97.${i >> 8}.${i & 255}`));
  for (
    const [table, told] of [
      [726_899, true],
      [726_900, false],
      [726_950, false],
      [726_999, false],
      [727_000, true],
      [726_900 + 65_536, true],
      [100, true],
    ] as const
  ) {
    const routes = routesOf(device, table);
    const add = () => void addLocalRoutes(netlink, routes, [...many, address("fd00:10::1")]);
    assert.equal(await watched.hears(add), told, `a route in table ${table}`);
    assert.equal(await watched.hears(() => void deleteLocalRoutes(netlink, routes, many)), told);
  }
});

Deno.test({
  name:
    "of one's own device, and one's own table where others write to it, each change is told, and no other (needs root)",
  ignore,
}, async () => {
  await using watched = new Watched({ only: true });
  const { netlink, device, other } = watched;
  const own = routesOf(device, TABLES.first);
  const both = [address("10.96.0.1"), address("fd00:10::1")];
  const silent: Record<string, () => void> = {
    "routes of its own": () => void addLocalRoutes(netlink, own, both),
    "another's routes elsewhere": () => void addLocalRoutes(other, routesOf(device, TABLES.first + 1), both),
    "a route to another device in the kernel's own table": () =>
      void addLocalRoutes(other, { ...routesOf(device, LOCAL_TABLE), device: 1 }, [address("10.8.0.5")]),
    "an address of another device": () => addAddress(other, 1, address("10.8.0.9")),
  };
  for (const [what, change] of Object.entries(silent)) assert.equal(await watched.hears(change), false, what);
  const changes: Record<string, () => void> = {
    "a route that another deletes": () => void deleteLocalRoutes(other, own, both.slice(0, 1)),
    "an IPv6 route that another deletes": () => void deleteLocalRoutes(other, own, both.slice(1)),
    "a route that another adds": () => void addLocalRoutes(other, own, both),
    "an address": () => addAddress(other, device.index, address("10.8.0.3")),
    "a route to it in the kernel's own table": () =>
      void addLocalRoutes(other, routesOf(device, LOCAL_TABLE), [address("10.8.0.4")]),
    "another name": () => renameLink(other, device.index, "tun8"),
    "a device that goes": () => device[Symbol.dispose](),
  };
  for (const [what, change] of Object.entries(changes)) assert.ok(await watched.hears(change), what);
});

Deno.test("closing ends a wait that is under way, and later ones at once", async () => {
  const monitor = new NetworkMonitor();
  const waiting = monitor.changed();
  await monitor[Symbol.asyncDispose]();
  assert.equal(await waiting, false);
  assert.equal(await monitor.changed(), false);
  await monitor[Symbol.asyncDispose]();
});

Deno.test("tables that the filter can't tell from others are refused", () => {
  assert.throws(() => otherTables(250, 100), RangeError);
});
