import { allAddresses, allLinks } from "./link.ts";
import type { Netlink } from "./netlink.ts";
import { routesOf } from "./route.ts";
import { allRules, type Rule } from "./rule.ts";

const MAIN_TABLE = 254;

/** What is left out of the paths: what one makes oneself. */
export interface OwnParts {
  readonly isDevice: (name: string) => boolean;
  readonly isTable: (table: number) => boolean;
}

/**
 * Everything that decides by which way packets leave the machine, one line for each: its addresses, its routes, its rules, and the
 * devices with a route that have a carrier. Two readings with the same lines mean the same paths.
 * @throws {SystemCallError}
 */
export function readPaths(netlink: Netlink, own: OwnParts): Set<string> {
  const links = allLinks(netlink).filter(({ name }) => !own.isDevice(name));
  const nameOf = (device: number) => links.find(({ index }) => index === device)?.name;
  const rules = allRules(netlink).filter(({ table }) => !own.isTable(table));
  const tables = rules.filter(({ action }) => action === "lookup").map(({ table }) => table);
  const routes = routesOf(netlink, new Set([MAIN_TABLE, ...tables])).filter(({ kind }) => kind === "unicast");
  const leading = new Set(routes.map(({ device }) => device));
  return new Set([
    ...allAddresses(netlink).filter(({ device }) => nameOf(device))
      .map(({ address, device }) => `address ${address.text} ${nameOf(device)}`),
    ...routes.filter(({ device }) => device === 0 || nameOf(device))
      .map(({ table, destination, bits, gateways, device }) =>
        ["route", table, `${destination.text}/${bits}`, nameOf(device), ...gateways.map(({ text }) => text)]
          .join(" ")
      ),
    ...rules.map(lineOf),
    ...links.filter(({ index, hasCarrier }) => hasCarrier && leading.has(index)).map(({ name }) =>
      `carrier ${name}`
    ),
  ]);
}

function lineOf({ from, uids, ...rule }: Rule): string {
  return `rule ${JSON.stringify({ ...rule, from: from?.text, uids })}`;
}

/**
 * Whether connections may have lost their path, or have a better one now. A cable that is pulled out alone is neither: its
 * connections go on if it comes back soon.
 */
export function pathsChanged(before: ReadonlySet<string>, after: ReadonlySet<string>): boolean {
  const isLost = (line: string) => !after.has(line) && !line.startsWith("carrier ");
  return [...before].some(isLost) || [...after].some((line) => !before.has(line));
}
