import assert from "node:assert/strict";
import { parseAddress } from "../net/address.ts";
import { ADDRESSES, DESTINATIONS, IDENTIFY_PORT, POD, PORTS, SERVICE, WORKERS } from "./capture_hooks.ts";
import { NAMESERVERS } from "./name_hooks.ts";
import { encodeSettings, SETTINGS_BYTES, UID_RANGES } from "./settings.ts";

const source = (name: string) => Deno.readTextFileSync(new URL(`../bpf/${name}`, import.meta.url));

/** The number behind a #define. */
function defined(text: string, name: string): number {
  const value = new RegExp(`^#define ${name}\\s+(?:bpf_htons\\()?([0-9]+)`, "m").exec(text)?.[1];
  assert.ok(value, name);
  return Number(value);
}

Deno.test("C and TypeScript agree on every number that both have", () => {
  const laptop = source("laptop.h");
  assert.equal(defined(laptop, "SETTINGS_BYTES"), SETTINGS_BYTES);
  assert.equal(defined(laptop, "UID_RANGES"), UID_RANGES);
  const capture = source("capture.bpf.c");
  for (
    const [name, value] of Object.entries({
      WORKERS,
      ADDRESSES,
      DESTINATIONS,
      PORTS,
      POD,
      SERVICE,
      IDENTIFY_PORT,
    })
  ) {
    assert.equal(defined(capture, name), value, name);
  }
  assert.equal(defined(source("names.bpf.c"), "NAMESERVERS"), NAMESERVERS);
});

Deno.test("the fields of struct settings are where C has them", () => {
  const fields = [...(/struct settings \{([^}]*)\}/.exec(source("laptop.h"))?.[1] ?? "").matchAll(
    /^\s*(__u64|__u32|struct address|struct uids) (\w+)(?:\[\w+\])?;/gm,
  )].map(([, type, name]) => [type, name]);
  assert.deepEqual(fields, [
    ["__u64", "netns"],
    ["struct address", "own4"],
    ["struct address", "own6"],
    ["__u32", "workers4"],
    ["__u32", "workers6"],
    ["__u32", "daemon"],
    ["__u32", "device"],
    ["__u32", "udp4"],
    ["__u32", "udp6"],
    ["struct uids", "uids"],
  ]);
  const own4 = parseAddress("198.18.255.254");
  assert.ok(own4);
  const bytes = encodeSettings({
    netns: 7n,
    own4,
    own6: undefined,
    workers4: 1,
    workers6: 2,
    daemon: 3,
    device: 4,
    udp4: true,
    udp6: false,
    uids: [{ first: 5, last: 6 }],
  });
  const words = [...new Uint32Array(bytes.buffer)];
  assert.equal(bytes.length, SETTINGS_BYTES);
  assert.deepEqual(words.slice(0, 4), [7, 0, 0, 0]);
  assert.deepEqual([...bytes.subarray(18, 24)], [0xff, 0xff, 198, 18, 255, 254]);
  assert.deepEqual(
    words.slice(6, 10),
    Array(4).fill(0xffffffff),
    "without IPv6, an address that no socket has",
  );
  assert.deepEqual(words.slice(10, 18), [1, 2, 3, 4, 1, 0, 5, 6]);
  assert.deepEqual(words.slice(18), Array(UID_RANGES - 1).fill([1, 0]).flat(), "unused ranges are empty");
});
