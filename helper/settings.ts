import { OWN_RANGES, type Uids } from "../ffi/proc/subuids.ts";
import type { BpfMap } from "../ffi/bpf/libbpf.ts";
import type { IpAddress } from "../net/address.ts";
import { MOST_ACCOUNTS } from "../wire/helper.ts";

/** struct settings of bpf/laptop.h. */
export const SETTINGS_BYTES = 160;
export const UID_RANGES = OWN_RANGES + MOST_ACCOUNTS;

/** Which users' sockets the programs affect, and what they know of pmz. */
export interface Settings {
  /** Cookie of the laptop's network namespace; 0n while it isn't known, and then no socket is affected. */
  readonly netns: bigint;
  readonly own4: IpAddress;
  readonly own6: IpAddress | undefined;
  readonly workers4: number;
  readonly workers6: number;
  /** The daemon's thread group as the kernel numbers it; 0 while it isn't known. */
  readonly daemon: number;
  /** Index of the user's device. */
  readonly device: number;
  /** Whether UDP is carried, of each family. */
  readonly udp4: boolean;
  readonly udp6: boolean;
  /** At most UID_RANGES. */
  readonly uids: readonly Uids[];
}

/** The one entry of the map `settings` in several objects: a change is written to all of them. */
export class SharedSettings {
  readonly #maps: BpfMap[] = [];
  #now: Settings;

  constructor(settings: Settings) {
    this.#now = settings;
  }

  get now(): Settings {
    return this.#now;
  }

  /** Writes the settings to a map, now and whenever they change. @throws {BpfError} */
  writeTo(map: BpfMap): void {
    this.#maps.push(map);
    this.set({});
  }

  /** @throws {BpfError} */
  set(change: Partial<Settings>): void {
    this.#now = { ...this.#now, ...change };
    for (const map of this.#maps) map.update(new Uint8Array(4), encodeSettings(this.#now));
  }
}

/** struct settings, in the machine's byte order. */
export function encodeSettings(settings: Settings): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SETTINGS_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, settings.netns, true);
  bytes.set(settings.own4.bytes, 8);
  // Not "::", which is the source of sockets that are bound to nothing.
  bytes.set(settings.own6?.bytes ?? new Uint8Array(16).fill(0xff), 24);
  view.setUint32(40, settings.workers4, true);
  view.setUint32(44, settings.workers6, true);
  view.setUint32(48, settings.daemon, true);
  view.setUint32(52, settings.device, true);
  view.setUint32(56, Number(settings.udp4), true);
  view.setUint32(60, Number(settings.udp6), true);
  for (let i = 0; i < UID_RANGES; i++) {
    const { first, last } = settings.uids[i] ?? { first: 1, last: 0 };
    view.setUint32(64 + 8 * i, first, true);
    view.setUint32(68 + 8 * i, last, true);
  }
  return bytes;
}
