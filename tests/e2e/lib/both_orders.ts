import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import type { Laptop } from "./laptop.ts";
import { Neighbours } from "./neighbours.ts";
import type { Pmz } from "./pmz.ts";
import { Stage } from "./stage.ts";

/** The laptops' gateway, which is their nameserver. */
export const NAMESERVER = "10.77.255.254";

/** Waits until alice reaches a Service by its name, and the internet as before. */
export async function assertReached(alice: Pmz): Promise<void> {
  let said = "";
  const isReached = async () => {
    const { stdout, stderr } = await alice.laptop.run("alice", [
      "curl",
      "-sSm3",
      "http://echo.default.svc/",
      "http://internet.test/",
    ]);
    said = stdout + stderr;
    return /"pod":"echo-/.test(said) && /"pod":"internet"/.test(said);
  };
  assert.ok(await pollUntil(isReached, { timeoutMs: 5_000 }), said);
}

/** What the kernel keeps for a minute of connections whose address went with a VPN. */
const lastOfVpn = /^connections: FIN-WAIT-1 10\.9\.0\.2:/;

/** Something of Debian on the laptop, from where it is made until it is disposed of. */
export type Neighbour = (neighbours: Neighbours, laptop: Laptop, other: Laptop) => Promise<AsyncDisposable>;

/** Has it come and go while pmz is up, and pmz come and go while it is there. */
export async function inBothOrders(
  neighbour: Neighbour,
  works: (alice: Pmz, neighbours: Neighbours) => Promise<void> = assertReached,
): Promise<void> {
  await using stage = await Stage.set();
  const { world: { laptop, other }, alice } = stage;
  await using neighbours = await Neighbours.on(laptop);
  const before = await laptop.snapshot();
  await alice.up();
  {
    await using _there = await neighbour(neighbours, laptop, other);
    await works(alice, neighbours);
  }
  await assertReached(alice);
  await alice.done(["down"]);
  await laptop.settles(before, 2_000, lastOfVpn);
  await using _there = await neighbour(neighbours, laptop, other);
  const beside = await laptop.snapshot();
  await alice.up();
  await works(alice, neighbours);
  await alice.done(["down"]);
  await laptop.settles(beside, 2_000, lastOfVpn);
}

/** Does something once, when it is disposed of. */
export function onDispose(...steps: (() => Promise<unknown>)[]): AsyncDisposable {
  const stack = new AsyncDisposableStack();
  for (const step of steps.toReversed()) stack.defer(async () => void await step());
  return stack;
}

/** Waits until the kernel has given each device that matches its IPv6 address: it takes a second, and isn't pmz's doing. */
export async function haveAddresses(laptop: Laptop, devices: RegExp): Promise<void> {
  const lines = async (...what: string[]) =>
    (await laptop.output("root", ["ip", "-6", "-o", ...what])).split("\n");
  const nameOf = (line: string) => /^\d+: ([^ @:]+)/.exec(line)?.[1] ?? "";
  const areThere = async () => {
    const addresses = await lines("address");
    const ready = addresses.filter((line) => !line.includes("tentative")).map(nameOf);
    const all = (await lines("link")).map(nameOf).filter((name) => devices.test(name));
    return all.length > 0 && all.every((name) => ready.includes(name));
  };
  assert.ok(await pollUntil(areThere, { timeoutMs: 5_000 }), "a device has no IPv6 address");
}
