import { SystemCallError } from "../ffi/libc.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import {
  addLocalRoutes,
  deleteLocalRoutes,
  deleteRoutes,
  type LocalRoutes,
  readLocalRoutes,
} from "../ffi/netlink/route.ts";
import { type IpAddress, parseAddress } from "../net/address.ts";
import type { UserDevice } from "./device.ts";

/** The routes of the captured addresses, in the user's table, where nothing else has to be. */
export class CapturedRoutes {
  readonly #netlink: Netlink;
  readonly #device: Pick<UserDevice, "index" | "table" | "own4" | "own6">;
  readonly #captured: () => readonly string[];

  /** @param captured the addresses that have a route */
  constructor(
    netlink: Netlink,
    device: Pick<UserDevice, "index" | "table" | "own4" | "own6">,
    captured: () => readonly string[],
  ) {
    this.#netlink = netlink;
    this.#device = device;
    this.#captured = captured;
  }

  /** @returns for each address 0 or the kernel's errno @throws {SystemCallError} */
  add(addresses: readonly IpAddress[]): number[] {
    return addLocalRoutes(this.#netlink, this.#routes, addresses);
  }

  /** @returns for each address 0 or the kernel's errno @throws {SystemCallError} */
  delete(addresses: readonly IpAddress[]): number[] {
    return deleteLocalRoutes(this.#netlink, this.#routes, addresses);
  }

  /** @returns what makes the table hold the routes of all captured addresses, and nothing else; undefined where it does */
  repair(): (() => void) | undefined {
    const { right, others } = readLocalRoutes(this.#netlink, this.#routes);
    const captured = this.#captured();
    const missing = captured.filter((text) => !right.has(text)).flatMap((text) => parseAddress(text) ?? []);
    const wanted = new Set(captured);
    const left = [...right].filter((text) => !wanted.has(text)).flatMap((text) => parseAddress(text) ?? []);
    if (missing.length === 0 && others.length === 0 && left.length === 0) return undefined;
    return () => {
      deleteRoutes(this.#netlink, others);
      this.delete(left);
      const failed = this.add(missing).find((errno) => errno !== 0);
      if (failed) throw new SystemCallError("the kernel refuses a route", failed);
    };
  }

  get #routes(): LocalRoutes {
    const { index, table, own4, own6 } = this.#device;
    return { device: index, table, source4: own4, source6: own6 };
  }
}
